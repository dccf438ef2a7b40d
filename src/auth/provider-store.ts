/** Outside identity providers in D1. There are few, so isolates remember all of them at once; a write is one batch with its row in `change`. */
import type { Role } from '../contract/roles.ts'
import type { PageRequest } from '../http/ports.ts'

export type IdentityProvider = {
  id: string
  tenantId: string
  issuer: string
  audience: string
  jwksUri: string
  status: 'active' | 'disabled'
  roleClaim: string | null
  roles: Record<string, Role>
  defaultRole: Role | null
  tenantClaim: string | null
  tenants: Record<string, string>
  createdAtMs: number
  updatedAtMs: number
}

/** As isolates take it. */
export type TrustedProvider = IdentityProvider & {
  /** Of the tenants that it names those whose people may come in. */
  activeTenantIds: readonly string[]
}

type Row = {
  provider_id: string
  tenant_id: string
  issuer: string
  audience: string
  jwks_uri: string
  status: 'active' | 'disabled'
  role_claim: string | null
  roles: string
  default_role: Role | null
  tenant_claim: string | null
  tenants: string
  created_at_ms: number
  updated_at_ms: number
}

/** An installation trusts few; each costs memory in every isolate. */
export const PROVIDERS_MAX = 100

export type ProviderStore = ReturnType<typeof providerStore>

export function providerStore(db: D1Database) {
  const changed = (tenantId: string, nowMs: number) =>
    db
      .prepare("INSERT INTO change (kind, tenant_id, subject, at_ms) VALUES ('identity_provider', ?, '', ?)")
      .bind(tenantId, nowMs)

  return {
    /** Oldest first, one more than `limit` when there are more. */
    async page({ limit, after }: PageRequest): Promise<IdentityProvider[]> {
      const { results } = await db
        .prepare('SELECT * FROM identity_provider WHERE provider_id > ? ORDER BY provider_id LIMIT ?')
        .bind(after ?? '', limit + 1)
        .all<Row>()
      return results.map(fromRow)
    },

    /** All, oldest first, and which tenants of each are active. Their changes are told as changes of providers (tenant-store.ts). */
    async trusted(): Promise<TrustedProvider[]> {
      const { results } = await db
        .prepare(
          `SELECT *, (SELECT json_group_array(id) FROM tenant WHERE tenant.status = 'active' AND
             (id = tenant_id OR id IN (SELECT value FROM json_each(tenants)))) AS active_tenant_ids
           FROM identity_provider ORDER BY provider_id`,
        )
        .all<Row & { active_tenant_ids: string }>()
      return results.map((row) => ({ ...fromRow(row), activeTenantIds: textList(row.active_tenant_ids) }))
    },

    /** The first of these that is no tenant. */
    async missingTenant(ids: readonly string[]): Promise<string | undefined> {
      const missing = await db
        .prepare(
          `SELECT value FROM json_each(?) WHERE value NOT IN (SELECT id FROM tenant WHERE status <> 'deleted') LIMIT 1`,
        )
        .bind(JSON.stringify(ids))
        .first<{ value: string }>()
      return missing?.value
    },

    async byId(id: string): Promise<IdentityProvider | undefined> {
      const row = await db.prepare('SELECT * FROM identity_provider WHERE provider_id = ?').bind(id).first<Row>()
      return row ? fromRow(row) : undefined
    },

    /** False when there is one for this issuer and audience, or as many as there may be. */
    async insert(provider: IdentityProvider): Promise<boolean> {
      const [inserted] = await db.batch([
        db
          .prepare(
            `INSERT INTO identity_provider (provider_id, tenant_id, issuer, audience, jwks_uri, status, role_claim, roles,
               default_role, tenant_claim, tenants, created_at_ms, updated_at_ms)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13
             WHERE (SELECT count(*) FROM identity_provider) < ${PROVIDERS_MAX}
             ON CONFLICT (issuer, audience) DO NOTHING`,
          )
          .bind(
            provider.id,
            provider.tenantId,
            provider.issuer,
            provider.audience,
            provider.jwksUri,
            provider.status,
            ...mapped(provider),
            provider.createdAtMs,
            provider.updatedAtMs,
          ),
        changed(provider.tenantId, provider.createdAtMs),
      ])
      return inserted?.meta.changes === 1
    },

    async update(provider: IdentityProvider): Promise<void> {
      await db.batch([
        db
          .prepare(
            `UPDATE identity_provider SET jwks_uri = ?1, status = ?2, role_claim = ?3, roles = ?4, default_role = ?5,
               tenant_claim = ?6, tenants = ?7, updated_at_ms = ?8 WHERE provider_id = ?9`,
          )
          .bind(provider.jwksUri, provider.status, ...mapped(provider), provider.updatedAtMs, provider.id),
        changed(provider.tenantId, provider.updatedAtMs),
      ])
    },

    async remove({ id, tenantId }: IdentityProvider, nowMs: number): Promise<void> {
      await db.batch([
        db.prepare('DELETE FROM identity_provider WHERE provider_id = ?').bind(id),
        changed(tenantId, nowMs),
      ])
    },
  }
}

function mapped({ roleClaim, roles, defaultRole, tenantClaim, tenants }: IdentityProvider) {
  return [roleClaim, JSON.stringify(roles), defaultRole, tenantClaim, JSON.stringify(tenants)]
}

function textList(json: string): readonly string[] {
  // Sound: SQLite made it of ids.
  return JSON.parse(json) as string[]
}

function fromRow(row: Row): IdentityProvider {
  return {
    id: row.provider_id,
    tenantId: row.tenant_id,
    issuer: row.issuer,
    audience: row.audience,
    jwksUri: row.jwks_uri,
    status: row.status,
    roleClaim: row.role_claim,
    // Sound: written by `mapped` from what the schema had checked.
    roles: JSON.parse(row.roles) as Record<string, Role>,
    defaultRole: row.default_role,
    tenantClaim: row.tenant_claim,
    tenants: JSON.parse(row.tenants) as Record<string, string>,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  }
}
