/** Writes of the table `request_log` in D1: by the tenants' objects alone. */
import { idPrefix } from './log-row.ts'
import { INSERT_ROWS } from './request-sql.ts'

/** Of one statement, and statements of one call. */
const DELETED_AT_ONCE = 500
const STATEMENTS_MAX = 20

/** `rows`: a JSON list of what `rowText` makes. A row that is there already is left as it is. */
export async function deliverRows(db: D1Database, tenantId: string, rows: string): Promise<void> {
  await db.prepare(INSERT_ROWS).bind(tenantId, rows).run()
}

/** Deletes what began before this time, some thousand rows at once. `old`: there is more of it. Undefined: nothing is left of the tenant. */
export async function purgeRows(
  db: D1Database,
  tenantId: string,
  beforeMs: number,
): Promise<'old' | 'kept' | undefined> {
  const remove = db
    .prepare(
      `DELETE FROM request_log WHERE tenant_id = ?1 AND id IN
         (SELECT id FROM request_log WHERE tenant_id = ?1 AND id < ?2 ORDER BY id LIMIT ${DELETED_AT_ONCE})`,
    )
    .bind(tenantId, idPrefix(beforeMs))
  for (let statement = 0; statement < STATEMENTS_MAX; statement++) {
    const { meta } = await remove.run()
    if (meta.changes < DELETED_AT_ONCE) {
      const kept = await db.prepare('SELECT 1 FROM request_log WHERE tenant_id = ? LIMIT 1').bind(tenantId).first()
      return kept ? 'kept' : undefined
    }
  }
  return 'old'
}
