/** `/admin/usage`: every answer that was paid for, and sums of them. */
import * as z from 'zod/mini'
import { usageCursorSchema, usageFilters, usageGroupSchema } from '../../contract/budgets.ts'
import { unixSeconds } from '../../contract/unix-seconds.ts'
import { csvAnswer, formatField, wantsCsv } from '../csv-answer.ts'
import { limitField, listObject, pageFields } from '../page-query.ts'
import type { UsageQuery, UsageRecord, UsageSum } from '../ports.ts'
import { readQuery } from '../read-query.ts'
import type { Route } from '../route.ts'
import { targetTenant, tenantField } from '../target-tenant.ts'

const READ = { errors: 'problem', access: { scope: 'usage:read' } } as const
const LIST = z.strictObject({ ...pageFields(usageCursorSchema), ...formatField, ...tenantField, ...usageFilters })
const SUMS = z.strictObject({ ...limitField, by: usageGroupSchema, ...formatField, ...tenantField, ...usageFilters })

export const listUsage: Route = {
  ...READ,
  method: 'GET',
  path: '/admin/usage',
  async handle(context) {
    const { tenant_id, limit, after, format, ...filters } = readQuery(context, LIST)
    const tenantId = targetTenant(context, tenant_id, 'tenants:read')
    const page = await context.get('ports').usage.list(tenantId, { limit, after, ...filtersOf(filters) })
    if (!wantsCsv(context, format)) return context.json(listObject(page, usageObject, ({ cursor }) => cursor))
    const last = page.data.at(-1)
    return csvAnswer(context, page.data.map(usageObject), USAGE_COLUMNS, page.hasMore ? last?.cursor : undefined)
  },
}

export const sumUsage: Route = {
  ...READ,
  method: 'GET',
  path: '/admin/usage/sums',
  async handle(context) {
    const { tenant_id, limit, by, format, ...filters } = readQuery(context, SUMS)
    const tenantId = targetTenant(context, tenant_id, 'tenants:read')
    const sums = await context.get('ports').usage.sums(tenantId, { limit, by, ...filtersOf(filters) })
    if (wantsCsv(context, format)) {
      const rows = sums.data.map((sum) => sumObject(by, sum))
      return csvAnswer(context, rows, [by, ...SUM_COLUMNS])
    }
    // Groups, not pages: who wants more of them asks for a shorter time.
    return context.json({ object: 'list', data: sums.data.map((sum) => sumObject(by, sum)), has_more: sums.hasMore })
  },
}

type Filters = z.infer<z.ZodMiniObject<typeof usageFilters>>

function filtersOf({ from, to, key_id, user_id, model }: Filters): Omit<UsageQuery, 'limit' | 'after'> {
  return { fromMs: from, toMs: to, keyId: key_id, userId: user_id, model }
}

const SUM_COLUMNS = ['requests', 'prompt_tokens', 'cached_tokens', 'completion_tokens', 'cost_nano']
const USAGE_COLUMNS = [
  ...['id', 'request_id', 'key_id', 'user_id', 'model', 'prompt_tokens', 'cached_tokens', 'completion_tokens'],
  ...['charged_tokens', 'cost_nano', 'price_version', 'started_at', 'ended_at'],
]

function usageObject(row: UsageRecord): Record<string, unknown> {
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
    started_at: unixSeconds(row.startedAtMs),
    ended_at: unixSeconds(row.endedAtMs),
  }
}

function sumObject(by: string, sum: UsageSum): Record<string, unknown> {
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
