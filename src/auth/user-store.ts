/** Users and their sessions in D1. Each write that isolates remember something of is one batch with its rows in `change`. No policy. */
import type { Role } from '../contract/roles.ts'

export type StoredUser = {
  user_id: string
  tenant_id: string
  email: string
  name: string | null
  role: Role
  status: 'active' | 'disabled'
  password_hash: string
  created_at_ms: number
}

/** What a field becomes; absent: stays. */
export type UserFields = Partial<Pick<StoredUser, 'name' | 'role' | 'status' | 'password_hash'>>

const COLUMNS = 'user_id, tenant_id, email, name, role, status, password_hash, created_at_ms'

export type UserStore = ReturnType<typeof userStore>

export function userStore(db: D1Database) {
  const changedSessions = (userId: string, nowMs: number) =>
    db
      .prepare(
        `INSERT INTO change (kind, tenant_id, subject, at_ms)
         SELECT 'session', tenant_id, session_id, ?2 FROM session WHERE user_id = ?1`,
      )
      .bind(userId, nowMs)
  const endSessions = (userId: string, kept = '') =>
    db.prepare('DELETE FROM session WHERE user_id = ? AND session_id <> ?').bind(userId, kept)

  return {
    /** Nothing is remembered of a user that was not there, so no row in `change`. */
    async insert(user: StoredUser): Promise<'inserted' | 'taken' | 'no_tenant'> {
      const { meta } = await db
        .prepare(
          `INSERT INTO user (${COLUMNS}, updated_at_ms)
           SELECT ?1, id, ?3, ?4, ?5, ?6, ?7, ?8, ?8 FROM tenant WHERE id = ?2 AND status <> 'deleted'
           ON CONFLICT (email) DO NOTHING`,
        )
        .bind(
          user.user_id,
          user.tenant_id,
          user.email,
          user.name,
          user.role,
          user.status,
          user.password_hash,
          user.created_at_ms,
        )
        .run()
      if (meta.changes === 1) return 'inserted'
      const tenant = await db
        .prepare("SELECT id FROM tenant WHERE id = ? AND status <> 'deleted'")
        .bind(user.tenant_id)
        .first()
      return tenant ? 'taken' : 'no_tenant'
    },

    byEmail(email: string): Promise<StoredUser | null> {
      return db.prepare(`SELECT ${COLUMNS} FROM user WHERE email = ?`).bind(email).first<StoredUser>()
    },

    byId(tenantId: string, userId: string): Promise<StoredUser | null> {
      return db
        .prepare(`SELECT ${COLUMNS} FROM user WHERE tenant_id = ? AND user_id = ?`)
        .bind(tenantId, userId)
        .first<StoredUser>()
    },

    /** Oldest first. */
    async page(tenantId: string, after: string, limit: number): Promise<StoredUser[]> {
      const { results } = await db
        .prepare(`SELECT ${COLUMNS} FROM user WHERE tenant_id = ? AND user_id > ? ORDER BY user_id LIMIT ?`)
        .bind(tenantId, after, limit)
        .all<StoredUser>()
      return results
    },

    /**
     * False when the user has changed since `was` was read, or is gone: the caller decided by what it read. A new password and a
     * disabled account end all sessions, but `keptSession`.
     */
    async update(was: StoredUser, fields: UserFields, nowMs: number, keptSession = ''): Promise<boolean> {
      const { name, role, status, password_hash } = { ...was, ...fields }
      const ends = fields.password_hash !== undefined || fields.status === 'disabled'
      const [updated] = await db.batch([
        db
          .prepare(
            `UPDATE user SET name = ?1, role = ?2, status = ?3, password_hash = ?4, updated_at_ms = ?5
             WHERE user_id = ?6 AND tenant_id = ?7 AND role = ?8 AND status = ?9 AND password_hash = ?10`,
          )
          .bind(
            name,
            role,
            status,
            password_hash,
            nowMs,
            was.user_id,
            was.tenant_id,
            was.role,
            was.status,
            was.password_hash,
          ),
        changedSessions(was.user_id, nowMs),
        ...(ends ? [endSessions(was.user_id, keptSession)] : []),
      ])
      return updated?.meta.changes === 1
    },

    async remove(user: StoredUser, nowMs: number): Promise<void> {
      await db.batch([
        changedSessions(user.user_id, nowMs),
        endSessions(user.user_id),
        db.prepare('DELETE FROM user WHERE user_id = ? AND tenant_id = ?').bind(user.user_id, user.tenant_id),
      ])
    },
  }
}
