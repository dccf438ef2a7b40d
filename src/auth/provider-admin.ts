/** What who runs the installation does with outside identity providers. They decide over every tenant, so their routes need tenants:write. */
import type { IdentityProviderObject } from '../contract/identity-providers.ts'
import { unixSeconds } from '../contract/unix-seconds.ts'
import { AppError } from '../errors.ts'
import type { IdentityProviders } from '../http/ports.ts'
import { answeringStore } from '../while-store-answers.ts'
import { makeId } from './make-id.ts'
import { type IdentityProvider, PROVIDERS_MAX, type ProviderStore } from './provider-store.ts'

export type ProviderAdminOptions = { store: ProviderStore; nowMs: () => number; changed: () => Promise<void> }

export function providerAdmin(options: ProviderAdminOptions): IdentityProviders {
  const { nowMs, changed } = options
  const store = answeringStore(options.store)

  async function found(id: string): Promise<IdentityProvider> {
    const provider = await store.byId(id)
    if (!provider) throw new AppError('resource_not_found', 'There is no such identity provider.')
    return provider
  }

  /** Who may name tenants may know which there are. */
  async function refuseMissing(param: string, tenantIds: readonly string[]): Promise<void> {
    const missing = await store.missingTenant(tenantIds)
    if (missing === undefined) return
    throw new AppError('resource_not_found', `There is no tenant ${missing}.`, { param })
  }

  return {
    async create(tenantId, given) {
      await refuseMissing('tenant_id', [tenantId])
      await refuseMissing('tenants', Object.values(given.tenants ?? {}))
      const createdAtMs = nowMs()
      const provider: IdentityProvider = {
        id: makeId('idp', createdAtMs),
        tenantId,
        issuer: given.issuer,
        audience: given.audience,
        jwksUri: given.jwks_uri,
        status: 'active',
        roleClaim: given.role_claim ?? null,
        roles: given.roles ?? {},
        defaultRole: given.default_role ?? null,
        tenantClaim: given.tenant_claim ?? null,
        tenants: given.tenants ?? {},
        createdAtMs,
        updatedAtMs: createdAtMs,
      }
      if (!(await store.insert(provider))) {
        throw new AppError(
          'already_exists',
          `There is a provider of this issuer and audience, or as many as there may be (${PROVIDERS_MAX}).`,
        )
      }
      await changed()
      return providerObject(provider)
    },

    async list(page) {
      const providers = await store.page(page)
      return { data: providers.slice(0, page.limit).map(providerObject), hasMore: providers.length > page.limit }
    },

    async get(id) {
      return providerObject(await found(id))
    },

    async change(id, change) {
      const was = await found(id)
      await refuseMissing('tenants', Object.values(change.tenants ?? {}))
      const provider: IdentityProvider = {
        ...was,
        jwksUri: change.jwks_uri ?? was.jwksUri,
        status: change.status ?? was.status,
        roleClaim: change.role_claim === undefined ? was.roleClaim : change.role_claim,
        roles: change.roles ?? was.roles,
        defaultRole: change.default_role === undefined ? was.defaultRole : change.default_role,
        tenantClaim: change.tenant_claim === undefined ? was.tenantClaim : change.tenant_claim,
        tenants: change.tenants ?? was.tenants,
        updatedAtMs: Math.max(nowMs(), was.updatedAtMs + 1),
      }
      await store.update(provider)
      await changed()
      return providerObject(provider)
    },

    async remove(id) {
      await store.remove(await found(id), nowMs())
      await changed()
    },
  }
}

function providerObject(provider: IdentityProvider): IdentityProviderObject {
  return {
    id: provider.id,
    object: 'identity_provider',
    tenant_id: provider.tenantId,
    issuer: provider.issuer,
    audience: provider.audience,
    jwks_uri: provider.jwksUri,
    status: provider.status,
    role_claim: provider.roleClaim,
    roles: provider.roles,
    default_role: provider.defaultRole,
    tenant_claim: provider.tenantClaim,
    tenants: provider.tenants,
    created_at: unixSeconds(provider.createdAtMs),
  }
}
