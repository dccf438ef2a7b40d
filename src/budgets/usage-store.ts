/** The table `usage` in D1: what ledgers deliver, and how it is read. */
import type { UsageQuery, UsageRecord, UsageSum, UsageSumQuery } from '../http/ports.ts'
import type { UsageEntry } from './ledger-wire.ts'

const COLUMNS = `id, request_id, key_id, user_id, model, prompt_tokens, cached_tokens, completion_tokens, charged_tokens,
  cost_nano, price_version, started_at_ms, ended_at_ms`

/** One statement with one parameter, whatever the number of rows. A row that is there already is left as it is. */
export async function deliverUsage(db: D1Database, entries: readonly UsageEntry[]): Promise<void> {
  const rows = entries.map((entry) => [
    ...[entry.tenantId, entry.id, entry.requestId, entry.keyId, entry.userId ?? null, entry.model],
    ...[entry.promptTokens, entry.cachedTokens, entry.completionTokens, entry.chargedTokens],
    ...[entry.cost, entry.priceVersion, entry.startedAtMs, entry.endedAtMs],
  ])
  const fields = Array.from({ length: 14 }, (_, at) => `row.value ->> ${at}`).join(', ')
  await db
    .prepare(`INSERT OR IGNORE INTO usage (tenant_id, ${COLUMNS}) SELECT ${fields} FROM json_each(?) AS row`)
    .bind(JSON.stringify(rows))
    .run()
}

export type UsageStore = ReturnType<typeof usageStore>

export function usageStore(db: D1Database) {
  return {
    /** Newest first. `after` is a cursor of `cursorOf`. */
    async list(tenantId: string, query: UsageQuery): Promise<{ data: UsageRecord[]; hasMore: boolean }> {
      const { where, bindings } = conditions(tenantId, query)
      const after = query.after === undefined ? undefined : parseCursor(query.after)
      if (after) {
        where.push('(started_at_ms, id) < (?, ?)')
        bindings.push(after.atMs, after.id)
      }
      const { results } = await db
        .prepare(
          `SELECT ${COLUMNS} FROM usage WHERE ${where.join(' AND ')} ORDER BY started_at_ms DESC, id DESC LIMIT ?`,
        )
        .bind(...bindings, query.limit + 1)
        .all<Row>()
      return { data: results.slice(0, query.limit).map(recordOf), hasMore: results.length > query.limit }
    },

    /** At most `limit` groups: the latest days, or the models and keys that cost and used most. */
    async sums(tenantId: string, query: UsageSumQuery): Promise<{ data: UsageSum[]; hasMore: boolean }> {
      const { where, bindings } = conditions(tenantId, query)
      const { results } = await db
        .prepare(
          `SELECT ${GROUPS[query.by]} AS name, count(*) AS requests, sum(prompt_tokens) AS prompt_tokens,
             sum(cached_tokens) AS cached_tokens, sum(completion_tokens) AS completion_tokens, sum(cost_nano) AS cost_nano
           FROM usage WHERE ${where.join(' AND ')} GROUP BY name
           ORDER BY ${query.by === 'day' ? 'name DESC' : 'cost_nano DESC, sum(charged_tokens) DESC, name'} LIMIT ?`,
        )
        .bind(...bindings, query.limit + 1)
        .all<SumRow>()
      return { data: results.slice(0, query.limit).map(sumOf), hasMore: results.length > query.limit }
    },
  }
}

const GROUPS: Record<UsageSumQuery['by'], string> = {
  day: "strftime('%Y-%m-%d', started_at_ms / 1000, 'unixepoch')",
  model: 'model',
  key: 'key_id',
  user: "coalesce(user_id, '')",
}

type Filters = Pick<UsageQuery, 'fromMs' | 'toMs' | 'keyId' | 'userId' | 'model'>

/** The tenant is in every query. */
function conditions(tenantId: string, filters: Filters): { where: string[]; bindings: (string | number)[] } {
  const given: [string, string | number | undefined][] = [
    ['tenant_id = ?', tenantId],
    ['started_at_ms >= ?', filters.fromMs],
    ['started_at_ms < ?', filters.toMs],
    ['key_id = ?', filters.keyId],
    ['user_id = ?', filters.userId],
    ['model = ?', filters.model],
  ]
  const used = given.flatMap(([text, value]) => (value === undefined ? [] : [[text, value] as const]))
  return { where: used.map(([text]) => text), bindings: used.map(([, value]) => value) }
}

/** Where a list goes on: the time and the id of its last row. */
export function cursorOf({ startedAtMs, id }: Pick<UsageRecord, 'startedAtMs' | 'id'>): string {
  return `${startedAtMs}_${id}`
}

function parseCursor(cursor: string): { atMs: number; id: string } | undefined {
  const match = /^(\d{1,16})_(.+)$/.exec(cursor)
  return match ? { atMs: Number(match[1]), id: match[2] ?? '' } : undefined
}

type Row = {
  id: string
  request_id: string
  key_id: string
  user_id: string | null
  model: string
  prompt_tokens: number
  cached_tokens: number
  completion_tokens: number
  charged_tokens: number
  cost_nano: number
  price_version: number
  started_at_ms: number
  ended_at_ms: number
}

type SumRow = {
  name: string
  requests: number
  prompt_tokens: number
  cached_tokens: number
  completion_tokens: number
  cost_nano: number
}

function sumOf(row: SumRow): UsageSum {
  return {
    name: row.name,
    requests: row.requests,
    promptTokens: row.prompt_tokens,
    cachedTokens: row.cached_tokens,
    completionTokens: row.completion_tokens,
    costNano: row.cost_nano,
  }
}

function recordOf(row: Row): UsageRecord {
  return {
    id: row.id,
    cursor: cursorOf({ startedAtMs: row.started_at_ms, id: row.id }),
    requestId: row.request_id,
    keyId: row.key_id,
    ...(row.user_id === null ? {} : { userId: row.user_id }),
    model: row.model,
    promptTokens: row.prompt_tokens,
    cachedTokens: row.cached_tokens,
    completionTokens: row.completion_tokens,
    chargedTokens: row.charged_tokens,
    costNano: row.cost_nano,
    priceVersion: row.price_version,
    startedAtMs: row.started_at_ms,
    endedAtMs: row.ended_at_ms,
  }
}
