import type { RequestFacts } from '../../chat/ports.ts'

const IDS = {
  tenant: ({ tenantId }: RequestFacts) => tenantId,
  // Users are a tenant's own: two tenants may have one of the same name.
  user: ({ tenantId, userId }: RequestFacts) => userId && `${tenantId}\n${userId}`,
  conversation: ({ tenantId, conversationId }: RequestFacts) => conversationId && `${tenantId}\n${conversationId}`,
}

/** Whose requests stay together. Undefined: the request is nobody's of that kind, and stands by itself. */
export function idOf(facts: RequestFacts, by: keyof typeof IDS): string | undefined {
  return IDS[by](facts) || undefined
}
