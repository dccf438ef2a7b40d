/** How the table `request_log` in D1 is read. Every search goes through one index in the order of time, and ends when a page is full. */
import type { AttemptRecord } from '../chat/ports.ts'
import type { RequestDetails, RequestQuery, RequestReader, RequestRecord } from '../http/ports.ts'
import { COLUMNS, idPrefix } from './log-row.ts'

/** Ids as callers see them. */
const PREFIX = 'log_'

const LISTED = COLUMNS.filter((column) => column !== 'stages' && column !== 'calls').join(', ')
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
      const column = id.startsWith(PREFIX) ? 'id' : 'request_id'
      const row = await db
        .prepare(`SELECT ${WHOLE} FROM request_log WHERE tenant_id = ? AND ${column} = ? ORDER BY id DESC LIMIT 1`)
        .bind(tenantId, column === 'id' ? id.slice(PREFIX.length) : id)
        .first<Row & { stages: string; calls: string }>()
      return row ? detailsOf(row) : undefined
    },
  } satisfies RequestReader
}

/** One statement: the ids from one index, then those rows. Exported for the test that looks at its plan. */
export function listStatement(tenantId: string, query: RequestQuery): { sql: string; bindings: (string | number)[] } {
  const { where, bindings, index } = conditions(query)
  const chosen = index === undefined ? '' : `INDEXED BY ${index} `
  return {
    sql: `SELECT ${LISTED} FROM request_log WHERE tenant_id = ?1 AND id IN (
        SELECT id FROM request_log ${chosen}WHERE ${['tenant_id = ?1', ...where].join(' AND ')} ORDER BY id DESC LIMIT ?2
      ) ORDER BY id DESC`,
    bindings: [tenantId, query.limit + 1, ...bindings],
  }
}

type Conditions = { where: string[]; bindings: (string | number)[]; index: string | undefined }

/** With the index through which the fewest rows have to be looked at. */
function conditions(query: RequestQuery): Conditions {
  const where: string[] = []
  const bindings: (string | number)[] = []
  const add = (text: string, value: string | number | undefined) => {
    if (value === undefined) return
    bindings.push(value)
    where.push(text.replace('?', `?${bindings.length + 2}`))
  }
  const isFailed = query.status === 'error' || Number(query.status) >= 400 || (query.code ?? 'ok') !== 'ok'
  const isRetried = query.attempts !== undefined && query.attempts > 1
  add('request_id = ?', query.requestId)
  add('user_id = ?', query.userId)
  add('key_id = ?', query.keyId)
  add('model = ?', query.model)
  add('cache = ?', query.cache)
  // `ok` is told by the status, which is in every index.
  if (query.code !== 'ok') add('code = ?', query.code)
  add('attempts >= ?', query.attempts)
  if (query.status === 'ok' || query.code === 'ok') where.push('status < 400')
  if (query.status !== undefined && !['ok', 'error'].includes(query.status)) add('status = ?', Number(query.status))
  add('id >= ?', query.fromMs === undefined ? undefined : idPrefix(query.fromMs))
  add('id < ?', query.toMs === undefined ? undefined : idPrefix(query.toMs))
  add('id < ?', query.after?.slice(PREFIX.length))
  // The partial indexes are only taken where the statement says so itself.
  if (isFailed) where.push('status >= 400')
  if (isRetried) where.push('attempts > 1')
  const choices: [boolean, string][] = [
    [query.requestId !== undefined, 'request_log_by_request'],
    [isRetried, 'request_log_tried_again'],
    [isFailed, 'request_log_failed'],
    [query.userId !== undefined, 'request_log_by_user'],
    [query.keyId !== undefined, 'request_log_by_key'],
    [query.model !== undefined, 'request_log_by_model'],
    [query.cache !== undefined, 'request_log_by_cache'],
  ]
  return { where, bindings, index: choices.find(([applies]) => applies)?.[1] }
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
    id: `${PREFIX}${row.id}`,
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
