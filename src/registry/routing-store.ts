/** Versions of the routing document in D1 (migrations/0008_routing.sql). Each write also says in `change` that isolates must read again. */
import type { RoutingConfig } from '../contract/routing-config.ts'
import type { Page, PageRequest, RoutingChange, RoutingRecord, RoutingVersion } from '../http/ports.ts'

/** Older ones are deleted: some hundred MB at worst. */
export const VERSIONS_KEPT = 1_000

const ABOUT = 'number, diff, comment, created_by_key, created_by_user, created_at_ms, rolled_back_to'

export type RoutingStore = ReturnType<typeof routingStore>

/** What isolates remember: text, because it is parsed only when it has changed. */
export type StoredRouting = { number: number; document: string }

export type NewVersion = {
  /** The version that this one follows: only if that one still holds. */
  basedOn: number
  config: RoutingConfig
  diff: { count: number; changes: RoutingChange[] }
  comment: string
  by: { keyId: string; userId: string | undefined }
  rolledBackTo: number | undefined
}

/** Raw failures: the directory decides what serves while D1 is down, the admin's routes say that it is. */
export function routingStore(options: { db: D1Database; now: () => number; changed: () => Promise<void> }) {
  const { db, now, changed } = options
  return {
    /** For isolates. Undefined: nothing was ever applied. */
    async held(): Promise<StoredRouting | undefined> {
      const row = await db
        .prepare('SELECT number, document FROM routing_version ORDER BY number DESC LIMIT 1')
        .first<StoredRouting>()
      return row ?? undefined
    },

    async newest(): Promise<RoutingRecord | undefined> {
      const row = await db
        .prepare(`SELECT ${ABOUT}, document FROM routing_version ORDER BY number DESC LIMIT 1`)
        .first<Row & { document: string }>()
      return row ? recordOf(row) : undefined
    },

    async version(number: number): Promise<RoutingRecord | undefined> {
      const row = await db
        .prepare(`SELECT ${ABOUT}, document FROM routing_version WHERE number = ?`)
        .bind(number)
        .first<Row & { document: string }>()
      return row ? recordOf(row) : undefined
    },

    async versions(page: PageRequest): Promise<Page<RoutingVersion>> {
      const { results } = await db
        .prepare(`SELECT ${ABOUT} FROM routing_version WHERE number < ? ORDER BY number DESC LIMIT ?`)
        .bind(Number(page.after ?? Number.MAX_SAFE_INTEGER), page.limit + 1)
        .all<Row>()
      return { data: results.slice(0, page.limit).map(versionOf), hasMore: results.length > page.limit }
    },

    /** In one transaction. Undefined: another version holds by now, and nothing was written. */
    async add(version: NewVersion): Promise<RoutingRecord | undefined> {
      const number = version.basedOn + 1
      const atMs = now()
      const [written] = await db.batch([
        db
          .prepare(
            `INSERT INTO routing_version (${ABOUT}, document) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
             WHERE (SELECT coalesce(max(number), 0) FROM routing_version) = ?1 - 1`,
          )
          .bind(
            number,
            JSON.stringify(version.diff),
            version.comment,
            version.by.keyId,
            version.by.userId ?? null,
            atMs,
            version.rolledBackTo ?? null,
            JSON.stringify(version.config),
          ),
        db
          .prepare(
            "INSERT INTO change (kind, tenant_id, subject, at_ms) SELECT 'routing', '', 'all', ? WHERE changes() > 0",
          )
          .bind(atMs),
        db.prepare('DELETE FROM routing_version WHERE number <= ?').bind(number - VERSIONS_KEPT),
      ])
      await changed()
      if (!written?.meta.changes) return undefined
      const { diff, comment, by, rolledBackTo, config } = version
      return {
        number,
        created: { atMs, keyId: by.keyId, ...(by.userId === undefined ? {} : { userId: by.userId }) },
        comment,
        ...(rolledBackTo === undefined ? {} : { rolledBackTo }),
        diff,
        config,
      }
    },
  }
}

type Row = {
  number: number
  diff: string
  comment: string
  created_by_key: string
  created_by_user: string | null
  created_at_ms: number
  rolled_back_to: number | null
}

function versionOf(row: Row): RoutingVersion {
  const userId = row.created_by_user
  return {
    number: row.number,
    created: { atMs: row.created_at_ms, keyId: row.created_by_key, ...(userId === null ? {} : { userId }) },
    comment: row.comment,
    ...(row.rolled_back_to === null ? {} : { rolledBackTo: row.rolled_back_to }),
    // Sound: `add` wrote it.
    diff: JSON.parse(row.diff) as RoutingVersion['diff'],
  }
}

function recordOf(row: Row & { document: string }): RoutingRecord {
  // Sound: only what was checked is added.
  return { ...versionOf(row), config: JSON.parse(row.document) as RoutingConfig }
}
