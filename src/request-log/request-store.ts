/** How the table `request_log` in D1 is read. */
import type { AttemptRecord } from '../chat/ports.ts'
import type { RequestDetails, RequestReader, RequestRecord } from '../http/ports.ts'
import { COLUMNS } from './log-row.ts'
import { LOG_ID_PREFIX, listStatement } from './request-sql.ts'

const WHOLE = COLUMNS.join(', ')

export function requestStore(db: D1Database) {
  return {
    async list(tenantId, query) {
      const { sql, bindings } = listStatement(tenantId, query)
      const { results } = await db
        .prepare(sql)
        .bind(...bindings)
        .all<Row>()
      return { data: results.slice(0, query.limit).map(recordOf), hasMore: results.length > query.limit }
    },

    async find(tenantId, id) {
      const column = id.startsWith(LOG_ID_PREFIX) ? 'id' : 'request_id'
      const row = await db
        .prepare(`SELECT ${WHOLE} FROM request_log WHERE tenant_id = ? AND ${column} = ? ORDER BY id DESC LIMIT 1`)
        .bind(tenantId, column === 'id' ? id.slice(LOG_ID_PREFIX.length) : id)
        .first<Row & { stages: string; calls: string }>()
      return row ? detailsOf(row) : undefined
    },
  } satisfies RequestReader
}

type Row = {
  id: string
  request_id: string
  endpoint: string | null
  client: string | null
  key_id: string
  user_id: string | null
  model: string
  deployment_id: string | null
  deployment_model: string | null
  status: number
  code: string
  cache: string | null
  stream: number
  prompt_tokens: number | null
  cached_tokens: number | null
  completion_tokens: number | null
  cost_nano: number | null
  started_at_ms: number
  first_token_ms: number | null
  total_ms: number
  attempts: number
  continued: number
}

function recordOf(row: Row): RequestRecord {
  const { deployment_id, deployment_model } = row
  return {
    id: `${LOG_ID_PREFIX}${row.id}`,
    requestId: row.request_id,
    ...known('endpoint', row.endpoint),
    ...known('client', row.client),
    keyId: row.key_id,
    ...known('userId', row.user_id),
    model: row.model,
    ...(deployment_id === null || deployment_model === null
      ? {}
      : { deployment: { id: deployment_id, model: deployment_model } }),
    status: row.status,
    code: row.code,
    ...known('cache', row.cache),
    stream: row.stream === 1,
    ...known('promptTokens', row.prompt_tokens),
    ...known('cachedTokens', row.cached_tokens),
    ...known('completionTokens', row.completion_tokens),
    ...known('costNano', row.cost_nano),
    startedAtMs: row.started_at_ms,
    ...known('firstTokenMs', row.first_token_ms),
    totalMs: row.total_ms,
    attempts: row.attempts,
    continued: row.continued === 1,
  }
}

function detailsOf(row: Row & { stages: string; calls: string }): RequestDetails {
  return {
    ...recordOf(row),
    // Sound: written by rowText.
    stages: JSON.parse(row.stages) as Record<string, number>,
    calls: JSON.parse(row.calls) as AttemptRecord[],
  }
}

function known<Name extends string, Value>(name: Name, value: Value | null): Partial<Record<Name, Value>> {
  // Sound: the one field that is made is the one that the type names.
  return value === null ? {} : ({ [name]: value } as Record<Name, Value>)
}
