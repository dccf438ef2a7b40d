/** The table `change` as the Config object reads it. Without a session D1 answers from its primary, which knows every commit. */
import type { Change } from './change.ts'

export type ChangeTable = {
  /** The newest `limit` changes from `seq` on, this one included, oldest first. */
  newest(seq: number, limit: number): Promise<Change[]>
  /** Deletes what came before `seq`. */
  prune(seq: number): Promise<void>
}

type Row = { seq: number; kind: string; tenant_id: string; subject: string; at_ms: number }

export function changeTable(db: D1Database): ChangeTable {
  return {
    async newest(seq, limit) {
      const { results } = await db
        .prepare('SELECT seq, kind, tenant_id, subject, at_ms FROM change WHERE seq >= ? ORDER BY seq DESC LIMIT ?')
        .bind(seq, limit)
        .all<Row>()
      return results
        .map(({ seq, kind, tenant_id, subject, at_ms }) => ({ seq, kind, tenantId: tenant_id, subject, atMs: at_ms }))
        .reverse()
    },

    async prune(seq) {
      await db.prepare('DELETE FROM change WHERE seq < ?').bind(seq).run()
    },
  }
}
