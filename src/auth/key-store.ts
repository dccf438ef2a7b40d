/** API keys in D1. Every write carries its rows of `change` in the same transaction, one for each hash that isolates may remember. */
import type { Role } from '../contract/roles.ts'
import type { Scope } from '../contract/scopes.ts'
import type { PageRequest } from '../http/ports.ts'

/** As the table has it, lists parsed. */
export type KeyRecord = {
  id: string
  tenantId: string
  name: string
  role: Role | null
  scopes: readonly Scope[] | null
  models: readonly string[] | null
  allowedOrigins: readonly string[] | null
  allowedNetworks: readonly string[] | null
  version: number
  createdAtMs: number
  rotatedAtMs: number | null
  previousUntilMs: number | null
  expiresAtMs: number | null
  revokedAtMs: number | null
}

/** What a request needs of a key: survives JSON. */
export type UsableKey = Pick<
  KeyRecord,
  'id' | 'tenantId' | 'role' | 'scopes' | 'models' | 'allowedOrigins' | 'allowedNetworks'
> & {
  /** Of this text of the key: its expiry, or the end of the overlap after a rotation. Null: no end. */
  validUntilMs: number | null
}

/** What a patch may change. */
export type KeyFields = Pick<
  KeyRecord,
  'name' | 'role' | 'scopes' | 'models' | 'allowedOrigins' | 'allowedNetworks' | 'expiresAtMs'
>

/** Not revoked, of one tenant. More are a mistake in a loop somewhere. */
export const KEYS_PER_TENANT_MAX = 1_000

const COLUMNS = `id, tenant_id, name, role, scopes, models, allowed_origins, allowed_networks, version, created_at_ms,
  rotated_at_ms, previous_until_ms, expires_at_ms, revoked_at_ms`

type Row = {
  id: string
  tenant_id: string
  name: string
  role: Role | null
  scopes: string | null
  models: string | null
  allowed_origins: string | null
  allowed_networks: string | null
  version: number
  created_at_ms: number
  rotated_at_ms: number | null
  previous_until_ms: number | null
  expires_at_ms: number | null
  revoked_at_ms: number | null
}

export type KeyStore = ReturnType<typeof keyStore>

export function keyStore(db: D1Database) {
  /** One for each hash by which the key is valid now. */
  const changeOf = (tenantId: string, id: string, atMs: number) =>
    db
      .prepare(
        `INSERT INTO change (kind, tenant_id, subject, at_ms)
         SELECT 'key', tenant_id, sha256, ?3 FROM api_key WHERE tenant_id = ?1 AND id = ?2
         UNION ALL
         SELECT 'key', tenant_id, previous_sha256, ?3 FROM api_key
         WHERE tenant_id = ?1 AND id = ?2 AND previous_sha256 IS NOT NULL`,
      )
      .bind(tenantId, id, atMs)

  return {
    /** Undefined when no key has this hash, or it is revoked, or its tenant is not active. */
    async findByHash(sha256: string): Promise<UsableKey | undefined> {
      const row = await db
        .prepare(
          `SELECT ${COLUMNS.replaceAll(/\b(id|name|created_at_ms)\b/g, 'api_key.$1')}, sha256 = ?1 AS is_current
           FROM api_key JOIN tenant ON tenant.id = api_key.tenant_id
           WHERE (sha256 = ?1 OR previous_sha256 = ?1) AND revoked_at_ms IS NULL AND tenant.status = 'active'`,
        )
        .bind(sha256)
        .first<Row & { is_current: number }>()
      if (!row) return undefined
      const { id, tenantId, role, scopes, models, allowedOrigins, allowedNetworks, expiresAtMs } = recordOf(row)
      const ends = [expiresAtMs, row.is_current ? null : row.previous_until_ms].filter((end) => end !== null)
      const validUntilMs = ends.length === 0 ? null : Math.min(...ends)
      return { id, tenantId, role, scopes, models, allowedOrigins, allowedNetworks, validUntilMs }
    },

    /** `full`: the tenant has as many keys as it may. */
    async insert(
      key: KeyFields & { id: string; tenantId: string; sha256: string; createdAtMs: number },
    ): Promise<'inserted' | 'no_tenant' | 'full'> {
      const [inserted] = await db.batch([
        db
          .prepare(
            `INSERT INTO api_key (id, tenant_id, name, sha256, role, scopes, models, allowed_origins, allowed_networks, expires_at_ms,
               created_at_ms)
             SELECT ?1, tenant.id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 FROM tenant
             WHERE tenant.id = ?2 AND tenant.status <> 'deleted' AND
               (SELECT count(*) FROM api_key WHERE tenant_id = ?2 AND revoked_at_ms IS NULL) < ${KEYS_PER_TENANT_MAX}`,
          )
          .bind(key.id, key.tenantId, key.name, key.sha256, ...columnsOf(key), key.createdAtMs),
        changeOf(key.tenantId, key.id, key.createdAtMs),
      ])
      if (inserted?.meta.changes === 1) return 'inserted'
      const tenant = await db
        .prepare("SELECT id FROM tenant WHERE id = ? AND status <> 'deleted'")
        .bind(key.tenantId)
        .first()
      return tenant ? 'full' : 'no_tenant'
    },

    async one(tenantId: string, id: string): Promise<KeyRecord | undefined> {
      const row = await db
        .prepare(`SELECT ${COLUMNS} FROM api_key WHERE tenant_id = ? AND id = ?`)
        .bind(tenantId, id)
        .first<Row>()
      return row ? recordOf(row) : undefined
    },

    /** Newest first, one more than `limit` when there are more. An unknown `after` is the end. */
    async page(tenantId: string, { limit, after }: PageRequest): Promise<KeyRecord[]> {
      const { results } = await db
        .prepare(
          `SELECT ${COLUMNS} FROM api_key WHERE tenant_id = ?1 AND
             (?2 IS NULL OR seq < (SELECT seq FROM api_key WHERE tenant_id = ?1 AND id = ?2))
           ORDER BY seq DESC LIMIT ?3`,
        )
        .bind(tenantId, after ?? null, limit + 1)
        .all<Row>()
      return results.map(recordOf)
    },

    /** False when it is not this version any more. */
    async update(key: KeyRecord, fields: KeyFields, atMs: number): Promise<boolean> {
      const [, updated] = await db.batch([
        changeOf(key.tenantId, key.id, atMs),
        db
          .prepare(
            `UPDATE api_key SET version = version + 1, name = ?4, role = ?5, scopes = ?6, models = ?7, allowed_origins = ?8,
               allowed_networks = ?9, expires_at_ms = ?10
             WHERE tenant_id = ?1 AND id = ?2 AND version = ?3`,
          )
          .bind(key.tenantId, key.id, key.version, fields.name, ...columnsOf(fields)),
      ])
      return updated?.meta.changes === 1
    },

    /** False when it is not this version any more. The text from before is valid until then; the one before that no longer. */
    async rotate(key: KeyRecord, sha256: string, atMs: number, previousUntilMs: number): Promise<boolean> {
      const [, updated] = await db.batch([
        changeOf(key.tenantId, key.id, atMs),
        db
          .prepare(
            `UPDATE api_key SET version = version + 1, previous_sha256 = iif(?6 > ?5, sha256, NULL),
               previous_until_ms = iif(?6 > ?5, ?6, NULL), sha256 = ?4, rotated_at_ms = ?5
             WHERE tenant_id = ?1 AND id = ?2 AND version = ?3 AND revoked_at_ms IS NULL`,
          )
          .bind(key.tenantId, key.id, key.version, sha256, atMs, previousUntilMs),
        // A guess at the new text may be remembered as not there.
        changeOf(key.tenantId, key.id, atMs),
      ])
      return updated?.meta.changes === 1
    },

    /** Stays revoked as of the first time. */
    async revoke(key: KeyRecord, atMs: number): Promise<void> {
      await db.batch([
        changeOf(key.tenantId, key.id, atMs),
        db
          .prepare(
            `UPDATE api_key SET version = version + 1, revoked_at_ms = coalesce(revoked_at_ms, ?3)
             WHERE tenant_id = ?1 AND id = ?2`,
          )
          .bind(key.tenantId, key.id, atMs),
      ])
    },
  }
}

function columnsOf(fields: KeyFields): (string | number | null)[] {
  const { role, scopes, models, allowedOrigins, allowedNetworks, expiresAtMs } = fields
  return [role, json(scopes), json(models), json(allowedOrigins), json(allowedNetworks), expiresAtMs]
}

function recordOf(row: Row): KeyRecord {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    name: row.name,
    role: row.role,
    scopes: list<Scope>(row.scopes),
    models: list(row.models),
    allowedOrigins: list(row.allowed_origins),
    allowedNetworks: list(row.allowed_networks),
    version: row.version,
    createdAtMs: row.created_at_ms,
    rotatedAtMs: row.rotated_at_ms,
    previousUntilMs: row.previous_until_ms,
    expiresAtMs: row.expires_at_ms,
    revokedAtMs: row.revoked_at_ms,
  }
}

function json(value: readonly string[] | null): string | null {
  return value === null ? null : JSON.stringify(value)
}

function list<Item extends string = string>(text: string | null): readonly Item[] | null {
  // Sound: `json` wrote it.
  return text === null ? null : (JSON.parse(text) as Item[])
}
