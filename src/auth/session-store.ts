/** Sessions in D1: one row a sign-in, with the hash of the one refresh token that is valid now. What is revoked is deleted. */
import type { Role } from '../contract/roles.ts'

/** More devices than a person has; the oldest session goes first. */
const SESSIONS_PER_USER_MAX = 20

/** A suspended tenant's users are kept, and may nothing. */
const ACTIVE_USERS = `SELECT user_id FROM user JOIN tenant ON tenant.id = user.tenant_id
  WHERE user.status = 'active' AND tenant.status = 'active'`

/** No name and no address: isolates and the reserve remember it. */
export type SessionHolder = { user_id: string; tenant_id: string; role: Role }

export type SessionStore = ReturnType<typeof sessionStore>

export function sessionStore(db: D1Database) {
  const changed = (sessionId: string, nowMs: number) =>
    db
      .prepare(
        `INSERT INTO change (kind, tenant_id, subject, at_ms)
         SELECT 'session', tenant_id, session_id, ?2 FROM session WHERE session_id = ?1`,
      )
      .bind(sessionId, nowMs)
  const surplus = `SELECT session_id FROM session WHERE user_id = ?1 AND (expires_at_ms <= ?2 OR session_id NOT IN (
    SELECT session_id FROM session WHERE user_id = ?1 ORDER BY created_at_ms DESC, session_id DESC
    LIMIT ${SESSIONS_PER_USER_MAX}))`

  return {
    /** False when the user's password or status has changed since it was checked, or the tenant is not active. Removes what is over or too many. */
    async begin(
      session: { id: string; userId: string; tokenSha256: string; createdAtMs: number; expiresAtMs: number },
      checkedHash: string,
      newHash: string,
    ): Promise<boolean> {
      const { id, userId, tokenSha256, createdAtMs, expiresAtMs } = session
      const [inserted] = await db.batch([
        db
          .prepare(
            `INSERT INTO session (session_id, user_id, tenant_id, token_sha256, created_at_ms, expires_at_ms)
             SELECT ?1, user_id, tenant_id, ?2, ?3, ?4 FROM user
             WHERE user_id = ?5 AND password_hash = ?6 AND user_id IN (${ACTIVE_USERS})`,
          )
          .bind(id, tokenSha256, createdAtMs, expiresAtMs, userId, checkedHash),
        db
          .prepare(
            `INSERT INTO change (kind, tenant_id, subject, at_ms)
             SELECT 'session', tenant_id, session_id, ?2 FROM session WHERE session_id IN (${surplus})`,
          )
          .bind(userId, createdAtMs),
        db.prepare(`DELETE FROM session WHERE session_id IN (${surplus})`).bind(userId, createdAtMs),
        db
          .prepare('UPDATE user SET password_hash = ?1 WHERE user_id = ?2 AND password_hash = ?3')
          .bind(newHash, userId, checkedHash),
      ])
      return inserted?.meta.changes === 1
    },

    /** Who it is, when this refresh token was the valid one: from now on the next one is. Of two callers at once one gets it. */
    async rotate(
      token: { sessionId: string; sha256: string },
      nextSha256: string,
      nowMs: number,
    ): Promise<SessionHolder | undefined> {
      const [updated, holder] = await db.batch<SessionHolder>([
        db
          .prepare(
            `UPDATE session SET token_sha256 = ?1 WHERE session_id = ?2 AND token_sha256 = ?3 AND expires_at_ms > ?4
             AND user_id IN (${ACTIVE_USERS})`,
          )
          .bind(nextSha256, token.sessionId, token.sha256, nowMs),
        holderOf(db, token.sessionId),
      ])
      return updated?.meta.changes === 1 ? holder?.results[0] : undefined
    },

    /** What isolates remember of a session: undefined when it was revoked, its user disabled or its tenant suspended. */
    async holder(sessionId: string): Promise<SessionHolder | undefined> {
      return (await holderOf(db, sessionId).first<SessionHolder>()) ?? undefined
    },

    async end(sessionId: string, nowMs: number): Promise<void> {
      await db.batch([
        changed(sessionId, nowMs),
        db.prepare('DELETE FROM session WHERE session_id = ?').bind(sessionId),
      ])
    },

    async endAll(userId: string, nowMs: number): Promise<void> {
      await db.batch([
        db
          .prepare(
            `INSERT INTO change (kind, tenant_id, subject, at_ms)
             SELECT 'session', tenant_id, session_id, ?2 FROM session WHERE user_id = ?1`,
          )
          .bind(userId, nowMs),
        db.prepare('DELETE FROM session WHERE user_id = ?').bind(userId),
      ])
    },
  }
}

function holderOf(db: D1Database, sessionId: string): D1PreparedStatement {
  return db
    .prepare(
      `SELECT user.user_id, user.tenant_id, role FROM session JOIN user USING (user_id)
       WHERE session_id = ? AND user_id IN (${ACTIVE_USERS})`,
    )
    .bind(sessionId)
}
