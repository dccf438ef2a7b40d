/** Budgets in D1. Every write is one transaction with the tenant's new version and the row of `change` that tells isolates of it. */
import { AppError } from '../errors.ts'
import type { ExpectedVersion, PageRequest } from '../http/ports.ts'
import { type Budget, type BudgetSet, parseBudgetId } from './budget.ts'

/** Four of the tenant, and four of each of five hundred keys. All of them travel to the ledger when one changes. */
const BUDGETS_MAX = 2_000

export type StoredBudget = Budget & { version: number; updatedAtMs: number }

export type BudgetStore = ReturnType<typeof budgetStore>

export function budgetStore(options: { db: D1Database; now: () => number; changed: () => Promise<void> }) {
  const { db, now, changed } = options

  const raiseVersion = (tenantId: string) =>
    db.prepare('INSERT INTO budget_set VALUES (?, 1) ON CONFLICT DO UPDATE SET version = version + 1').bind(tenantId)
  const changeRow = (tenantId: string) =>
    db.prepare("INSERT INTO change (kind, tenant_id, subject, at_ms) VALUES ('budget', ?, '', ?)").bind(tenantId, now())
  const select = (tenantId: string, id: string) =>
    db.prepare(`SELECT ${COLUMNS} FROM budget WHERE tenant_id = ? AND id = ?`).bind(tenantId, id)

  async function find(tenantId: string, id: string): Promise<StoredBudget | undefined> {
    const row = await select(tenantId, id).first<Row>()
    return row ? budgetOf(row) : undefined
  }

  return {
    /** All that a tenant ever had has a version, also when none is left: ledgers must hear of the last one's end, too. */
    async all(tenantId: string): Promise<BudgetSet | undefined> {
      const [sets, budgets] = await db.batch<{ version: number } & Row>([
        db.prepare('SELECT version FROM budget_set WHERE tenant_id = ?').bind(tenantId),
        db.prepare(`SELECT ${COLUMNS} FROM budget WHERE tenant_id = ? ORDER BY id`).bind(tenantId),
      ])
      const version = sets?.results[0]?.version
      if (version === undefined) return undefined
      return {
        version,
        budgets: (budgets?.results ?? []).map(budgetOf).map(({ version: _, updatedAtMs: __, ...budget }) => budget),
      }
    },

    async list(tenantId: string, page: PageRequest) {
      const { results } = await db
        .prepare(`SELECT ${COLUMNS} FROM budget WHERE tenant_id = ? AND id > ? ORDER BY id LIMIT ?`)
        .bind(tenantId, page.after ?? '', page.limit + 1)
        .all<Row>()
      return { data: results.slice(0, page.limit).map(budgetOf), hasMore: results.length > page.limit }
    },

    find,

    /** Rejects with stale_write or invalid_request. */
    async put(tenantId: string, id: string, limit: number, expected: ExpectedVersion): Promise<StoredBudget> {
      const version = versionOf(expected)
      const [, written, , stored] = await db.batch<Row>([
        raiseVersion(tenantId),
        db
          .prepare(
            `INSERT INTO budget (tenant_id, id, limit_amount, version, updated_at_ms)
             SELECT ?1, ?2, ?3, 1, ?4
             WHERE coalesce((SELECT version FROM budget WHERE tenant_id = ?1 AND id = ?2), 0)
                 = coalesce(?5, (SELECT version FROM budget WHERE tenant_id = ?1 AND id = ?2), 0)
               AND (SELECT count(*) FROM budget WHERE tenant_id = ?1 AND id <> ?2) < ?6
             ON CONFLICT DO UPDATE SET
               limit_amount = excluded.limit_amount, version = version + 1, updated_at_ms = excluded.updated_at_ms`,
          )
          .bind(tenantId, id, limit, now(), version, BUDGETS_MAX),
        changeRow(tenantId),
        select(tenantId, id),
      ])
      await changed()
      const row = stored?.results[0]
      if (written?.meta.changes === 0 || !row) {
        if (version !== null && (row?.version ?? 0) !== version) throw staleWrite()
        throw new AppError('invalid_request', `A tenant may have ${BUDGETS_MAX} budgets at most.`)
      }
      return budgetOf(row)
    },

    async remove(tenantId: string, id: string, expected: ExpectedVersion): Promise<'deleted' | 'missing' | 'stale'> {
      const [removed, , , left] = await db.batch<Row>([
        db
          .prepare('DELETE FROM budget WHERE tenant_id = ?1 AND id = ?2 AND version = coalesce(?3, version)')
          .bind(tenantId, id, versionOf(expected)),
        raiseVersion(tenantId),
        changeRow(tenantId),
        select(tenantId, id),
      ])
      await changed()
      if (removed?.meta.changes === 1) return 'deleted'
      return left?.results[0] ? 'stale' : 'missing'
    },
  }
}

const COLUMNS = 'id, limit_amount, version, updated_at_ms'
type Row = { id: string; limit_amount: number; version: number; updated_at_ms: number }

function budgetOf({ id, limit_amount, version, updated_at_ms }: Row): StoredBudget {
  const parts = parseBudgetId(id)
  if (!parts) throw new Error('A stored budget has an id that none can have.')
  return { ...parts, limit: limit_amount, version, updatedAtMs: updated_at_ms }
}

/** 0 is the version of what is not there; null lets any pass. */
function versionOf(expected: ExpectedVersion): number | null {
  if (expected === 'any') return null
  return expected === 'none' ? 0 : expected
}

function staleWrite(): AppError {
  return new AppError('stale_write', 'The budget has changed since it was read. Read it again, then write.')
}
