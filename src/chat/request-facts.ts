/** What routing may look at of a request. Pure; reckoned when a model is asked, not for a hit. */
import type { Capability } from '../contract/routing-config.ts'
import type { CompleteCall, ModelRequest, RequestFacts } from './ports.ts'

const NOTHING: ReadonlySet<Capability> = new Set()

export function requestFacts({ principal, place, conversationId }: CompleteCall, _request: ModelRequest): RequestFacts {
  return {
    tenantId: principal.tenantId,
    userId: principal.userId,
    conversationId,
    place,
    promptChars: 0,
    metadata: {},
    needs: NOTHING,
    prefixes: [],
  }
}
