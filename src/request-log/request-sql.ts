/** The statements of the table `request_log`. Every search goes through one index in the order of time, and ends when a page is full. */
import type { RequestQuery } from '../http/ports.ts'
import { COLUMNS, idPrefix } from './log-row.ts'

/** Of ids as callers see them. */
export const LOG_ID_PREFIX = 'log_'

/** These two are lists and objects; all else is text and numbers. */
const JSON_COLUMNS: ReadonlySet<string> = new Set(['stages', 'calls'])

const FIELDS = COLUMNS.map((column, at) => `row.value ${JSON_COLUMNS.has(column) ? '->' : '->>'} ${at}`).join(', ')
const LISTED = COLUMNS.filter((column) => !JSON_COLUMNS.has(column)).join(', ')

/** The tenant, and a JSON list of what `rowText` makes. A row that is there already is left as it is. */
export const INSERT_ROWS = `INSERT OR IGNORE INTO request_log (tenant_id, ${COLUMNS.join(', ')})
  SELECT ?1, ${FIELDS} FROM json_each(?2) AS row`

/** The ids from one index, then those rows. */
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
  add('id < ?', query.after?.slice(LOG_ID_PREFIX.length))
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
