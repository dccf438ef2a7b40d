/** The limits that a tenant has set, in D1. Each write tells the isolates by a row of `change` in the same batch. */
import { EACH } from '../contract/limit-each.ts'
import type { Limit, LimitChange, LimitDimension, LimitKind, NewLimit } from '../contract/limits.ts'
import { unixSeconds } from '../contract/unix-seconds.ts'
import { AppError } from '../errors.ts'
import type { LimitTable } from '../http/ports.ts'
import { whileStoreAnswers } from '../while-store-answers.ts'
import type { LimitRule } from './limit-rules.ts'

/** What an isolate remembers of a tenant is bounded by it. */
const LIMITS_MAX = 1_000

type Row = {
  id: string
  dimension: LimitDimension
  subject: string
  kind: LimitKind
  amount: number
  window_seconds: number
  created_at_ms: number
}

const COLUMNS = 'id, dimension, subject, kind, amount, window_seconds, created_at_ms'

/** What the request path reads: all of a tenant's limits. Rejects when D1 does. */
export async function limitRulesOf(db: D1Database, tenantId: string): Promise<readonly LimitRule[]> {
  const { results } = await db
    .prepare(`SELECT ${COLUMNS} FROM limit_rule WHERE tenant_id = ? LIMIT ${LIMITS_MAX}`)
    .bind(tenantId)
    .all<Row>()
  return results.map(({ dimension, subject, kind, amount, window_seconds }) => {
    return { dimension, subject, kind, amount, windowMs: window_seconds * 1_000 }
  })
}

export function limitTable(options: {
  db: D1Database
  /** Has the isolates look at `change`; this one before it resolves. */
  changed: () => Promise<void>
  nowMs: () => number
}): LimitTable {
  const { db, nowMs } = options
  const changeOf = (tenantId: string) =>
    db
      .prepare("INSERT INTO change (kind, tenant_id, subject, at_ms) VALUES ('limit', ?, '', ?)")
      .bind(tenantId, nowMs())

  async function write(statements: D1PreparedStatement[]) {
    const results = await db.batch(statements)
    await options.changed()
    return results
  }

  async function find(tenantId: string, id: string): Promise<Limit | undefined> {
    const row = await db
      .prepare(`SELECT ${COLUMNS} FROM limit_rule WHERE tenant_id = ? AND id = ?`)
      .bind(tenantId, id)
      .first<Row>()
    return row ? limitOf(row) : undefined
  }

  return {
    find: (tenantId, id) => stored(find(tenantId, id)),

    list(tenantId, { limit, after }) {
      return stored(
        (async () => {
          const { results } = await db
            .prepare(`SELECT ${COLUMNS} FROM limit_rule WHERE tenant_id = ? AND id > ? ORDER BY id LIMIT ?`)
            .bind(tenantId, after ?? '', limit + 1)
            .all<Row>()
          return { data: results.slice(0, limit).map(limitOf), hasMore: results.length > limit }
        })(),
      )
    },

    create(tenantId, { dimension, subject = EACH, kind, amount, window_seconds = 0 }: NewLimit) {
      return stored(
        (async () => {
          const row = {
            id: `lim_${crypto.randomUUID().replaceAll('-', '')}`,
            ...{ dimension, subject, kind, amount, window_seconds },
            created_at_ms: nowMs(),
          }
          const insert = db
            .prepare(
              `INSERT INTO limit_rule (tenant_id, ${COLUMNS}) SELECT ?, ?, ?, ?, ?, ?, ?, ?
               WHERE (SELECT count(*) FROM limit_rule WHERE tenant_id = ?) < ${LIMITS_MAX}`,
            )
            .bind(tenantId, row.id, dimension, subject, kind, amount, window_seconds, row.created_at_ms, tenantId)
          const [inserted] = await write([insert, changeOf(tenantId)])
          if (inserted?.meta.changes === 1) return limitOf(row)
          throw new AppError('invalid_request', `A tenant may have ${LIMITS_MAX} limits at most.`)
        })(),
      )
    },

    change(tenantId, id, { amount, window_seconds }: LimitChange) {
      return stored(
        (async () => {
          const update = db
            .prepare(
              `UPDATE limit_rule SET amount = ?, window_seconds = iif(kind = 'streams', 0, coalesce(?, window_seconds))
               WHERE tenant_id = ? AND id = ?`,
            )
            .bind(amount, window_seconds ?? null, tenantId, id)
          await write([update, changeOf(tenantId)])
          return find(tenantId, id)
        })(),
      )
    },

    remove(tenantId, id) {
      return stored(
        (async () => {
          const remove = db.prepare('DELETE FROM limit_rule WHERE tenant_id = ? AND id = ?').bind(tenantId, id)
          const [removed] = await write([remove, changeOf(tenantId)])
          return removed?.meta.changes === 1
        })(),
      )
    },
  }
}

function limitOf({ id, dimension, subject, kind, amount, window_seconds, created_at_ms }: Row): Limit {
  return {
    id,
    object: 'limit',
    dimension,
    subject,
    kind,
    amount,
    window_seconds: window_seconds === 0 ? null : window_seconds,
    created_at: unixSeconds(created_at_ms),
  }
}

function stored<Value>(work: Promise<Value>): Promise<Value> {
  const told = work.catch((cause: unknown) => {
    if (!String(cause).includes('UNIQUE constraint failed')) throw cause
    throw new AppError(
      'already_exists',
      'There is a limit of this dimension, subject, kind and window. Change that one.',
    )
  })
  return whileStoreAnswers(told)
}
