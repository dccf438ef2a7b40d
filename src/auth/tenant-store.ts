/**
 * Tenants in D1. What changes whether a tenant may come in tells isolates to forget all keys, sessions and identity providers: that is
 * rare, and none is missed.
 */
import type { PageRequest } from '../http/ports.ts'

export type TenantRecord = {
  id: string
  name: string
  status: 'active' | 'suspended'
  createdAtMs: number
  updatedAtMs: number
}

type Row = { id: string; name: string; status: 'active' | 'suspended'; created_at_ms: number; updated_at_ms: number }

const COLUMNS = 'id, name, status, created_at_ms, updated_at_ms'

/** Of other parts' tables, for a tenant's end is one transaction. A test looks for tables that are missing here. */
const TOLD = ['limit_rule', 'budget', 'filter_rule', 'prompt_label', 'prompt_version', 'prompt']

export type TenantStore = ReturnType<typeof tenantStore>

export function tenantStore(db: D1Database) {
  /** An empty subject: all of that kind, whatever they are remembered under. */
  const changeOfStatus = (tenantId: string, atMs: number) =>
    db
      .prepare(
        `INSERT INTO change (kind, tenant_id, subject, at_ms)
         VALUES ('key', ?1, '', ?2), ('session', ?1, '', ?2), ('identity_provider', ?1, '', ?2)`,
      )
      .bind(tenantId, atMs)

  return {
    /** False when another has the name. */
    async insert(id: string, name: string, atMs: number): Promise<boolean> {
      const { meta } = await db
        .prepare(
          `INSERT OR IGNORE INTO tenant (id, name, status, created_at_ms, updated_at_ms) VALUES (?1, ?2, 'active', ?3, ?3)`,
        )
        .bind(id, name, atMs)
        .run()
      return meta.changes === 1
    },

    async one(id: string): Promise<TenantRecord | undefined> {
      const row = await db
        .prepare(`SELECT ${COLUMNS} FROM tenant WHERE id = ? AND status <> 'deleted'`)
        .bind(id)
        .first<Row>()
      return row ? recordOf(row) : undefined
    },

    /** In the order of ids, one more than `limit` when there are more. */
    async page({ limit, after }: PageRequest): Promise<TenantRecord[]> {
      const { results } = await db
        .prepare(`SELECT ${COLUMNS} FROM tenant WHERE status <> 'deleted' AND id > ? ORDER BY id LIMIT ?`)
        .bind(after ?? '', limit + 1)
        .all<Row>()
      return results.map(recordOf)
    },

    /** Changes what is given and nothing else, so that who renames does not resume. False when another has the name. */
    async update(
      id: string,
      fields: { name?: string; status?: 'active' | 'suspended' },
      atMs: number,
    ): Promise<boolean> {
      const { name = null, status = null } = fields
      const [updated] = await db.batch([
        db
          .prepare(
            `UPDATE OR IGNORE tenant SET name = coalesce(?2, name), status = coalesce(?3, status), updated_at_ms = ?4
             WHERE id = ?1 AND status <> 'deleted'`,
          )
          .bind(id, name, status, atMs),
        ...(status === null ? [] : [changeOfStatus(id, atMs)]),
      ])
      return updated?.meta.changes === 1
    },

    /**
     * Its keys are revoked, and its users go with their sessions: their addresses are free again. What it was told to be goes, too, each
     * kind with the row that tells isolates. Kept are its row and its keys', for what was metered under their ids, usage, and identity
     * providers, which are the installation's.
     */
    async remove(id: string, atMs: number): Promise<void> {
      await db.batch([
        db.prepare(`UPDATE tenant SET status = 'deleted', updated_at_ms = ?2 WHERE id = ?1`).bind(id, atMs),
        db
          .prepare('UPDATE api_key SET revoked_at_ms = ?2 WHERE tenant_id = ?1 AND revoked_at_ms IS NULL')
          .bind(id, atMs),
        db.prepare('DELETE FROM session WHERE tenant_id = ?').bind(id),
        db.prepare('DELETE FROM user WHERE tenant_id = ?').bind(id),
        ...TOLD.map((table) => db.prepare(`DELETE FROM ${table} WHERE tenant_id = ?`).bind(id)),
        // Versions go on where they were: what was remembered under an older one is known to be old.
        db.prepare('UPDATE budget_set SET version = version + 1 WHERE tenant_id = ?').bind(id),
        db.prepare('UPDATE filter_version SET version = version + 1 WHERE tenant_id = ?').bind(id),
        db
          .prepare(
            `INSERT INTO change (kind, tenant_id, subject, at_ms)
             VALUES ('limit', ?1, '', ?2), ('budget', ?1, '', ?2), ('filter', ?1, '', ?2), ('prompt', ?1, '', ?2)`,
          )
          .bind(id, atMs),
        changeOfStatus(id, atMs),
      ])
    },
  }
}

function recordOf({ id, name, status, created_at_ms, updated_at_ms }: Row): TenantRecord {
  return { id, name, status, createdAtMs: created_at_ms, updatedAtMs: updated_at_ms }
}
