/** `/admin/usage`: every answer that was paid for, and sums of them. */
import { usageCursorSchema, usageQuerySchema, usageSumQuerySchema } from '../../contract/budgets.ts'
import type { UsageQuery, UsageRecord, UsageSum } from '../ports.ts'
import { listObject, readPage } from '../read-page.ts'
import { readQuery } from '../read-query.ts'
import type { Route } from '../route.ts'
import { tenantOfQuery } from '../tenant-of-query.ts'

const READ = { errors: 'problem', access: { scope: 'usage:read' } } as const

export const listUsage: Route = {
  ...READ,
  method: 'GET',
  path: '/admin/usage',
  async handle(context) {
    const query = readQuery(context, usageQuerySchema)
    const tenantId = tenantOfQuery(context, query.tenant_id, 'tenants:read')
    const call = { ...readPage(context, usageCursorSchema), ...filtersOf(query) }
    const page = await context.get('ports').usage.list(tenantId, call)
    return context.json(listObject(page, usageObject, ({ cursor }) => cursor))
  },
}

export const sumUsage: Route = {
  ...READ,
  method: 'GET',
  path: '/admin/usage/sums',
  async handle(context) {
    const query = readQuery(context, usageSumQuerySchema)
    const tenantId = tenantOfQuery(context, query.tenant_id, 'tenants:read')
    const { limit } = readPage(context, usageCursorSchema)
    const sums = await context.get('ports').usage.sums(tenantId, { ...filtersOf(query), by: query.by, limit })
    return context.json({ object: 'list', data: sums.map((sum) => sumObject(query.by, sum)), has_more: false })
  },
}

type Filters = Partial<Record<'from' | 'to' | 'key_id' | 'user_id' | 'model', string | undefined>>

function filtersOf({ from, to, key_id, user_id, model }: Filters): Omit<UsageQuery, 'limit' | 'after'> {
  return {
    ...(from === undefined ? {} : { fromMs: Date.parse(from) }),
    ...(to === undefined ? {} : { toMs: Date.parse(to) }),
    ...(key_id === undefined ? {} : { keyId: key_id }),
    ...(user_id === undefined ? {} : { userId: user_id }),
    ...(model === undefined ? {} : { model }),
  }
}

function usageObject(row: UsageRecord): object {
  return {
    id: row.id,
    object: 'usage',
    request_id: row.requestId,
    key_id: row.keyId,
    user_id: row.userId ?? null,
    model: row.model,
    prompt_tokens: row.promptTokens,
    cached_tokens: row.cachedTokens,
    completion_tokens: row.completionTokens,
    charged_tokens: row.chargedTokens,
    cost_nano: row.costNano,
    price_version: row.priceVersion,
    started_at: new Date(row.startedAtMs).toISOString(),
    ended_at: new Date(row.endedAtMs).toISOString(),
  }
}

function sumObject(by: string, sum: UsageSum): object {
  return {
    object: 'usage.sum',
    [by]: sum.name,
    requests: sum.requests,
    prompt_tokens: sum.promptTokens,
    cached_tokens: sum.cachedTokens,
    completion_tokens: sum.completionTokens,
    cost_nano: sum.costNano,
  }
}
