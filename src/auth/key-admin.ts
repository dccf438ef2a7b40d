/** Who may do what with which API keys. Pure policy over the store: nobody gives what he does not have. */
import type { Principal } from '../chat/ports.ts'
import type { CreateKey, KeyView, PatchKey } from '../contract/keys.ts'
import type { Scope } from '../contract/scopes.ts'
import { unixSeconds } from '../contract/unix-seconds.ts'
import { AppError } from '../errors.ts'
import type { KeyAdmin } from '../http/ports.ts'
import { answeringStore } from '../while-store-answers.ts'
import { makeApiKey, sha256Hex } from './api-key.ts'
import { KEYS_PER_TENANT_MAX, type KeyFields, type KeyRecord, type KeyStore } from './key-store.ts'
import { makeId } from './make-id.ts'
import { parseNetwork } from './network.ts'
import { scopesOfRole, withinTenant } from './roles.ts'

/** `changed` tells all isolates; see src/directory/directory.ts. */
export function keyAdmin(options: { store: KeyStore; changed: () => Promise<void>; nowMs: () => number }): KeyAdmin {
  const { changed, nowMs } = options
  const store = answeringStore(options.store)

  async function existing(tenantId: string, id: string): Promise<KeyRecord> {
    const key = await store.one(tenantId, id)
    if (!key) throw notFound()
    return key
  }

  /** Whoever changes a key, or gets its new text, could use it: so he must have all that it has. */
  async function mutable(actor: Principal, tenantId: string, id: string): Promise<KeyRecord> {
    const key = await existing(tenantId, id)
    mayGive(actor, tenantId, key)
    return key
  }

  async function changedTo(tenantId: string, id: string): Promise<KeyView> {
    await changed()
    return viewOf(await existing(tenantId, id), nowMs())
  }

  return {
    async create({ actor, tenantId, input }) {
      const fields = { ...NO_RESTRICTIONS, ...fieldsOf(input, nowMs()) }
      if (fields.role === null && fields.scopes === null) fields.role = 'member'
      mayGive(actor, tenantId, fields)
      const [id, key, createdAtMs] = [makeId('key', nowMs()), makeApiKey(), nowMs()]
      const stored = { ...fields, name: input.name, id, tenantId, sha256: sha256Hex(key), createdAtMs }
      const outcome = await store.insert(stored)
      if (outcome === 'no_tenant') throw new AppError('resource_not_found', 'There is no such tenant.')
      if (outcome === 'full') {
        throw new AppError('invalid_request', `A tenant may have ${KEYS_PER_TENANT_MAX} keys. Revoke some.`)
      }
      return { ...(await changedTo(tenantId, id)), key }
    },

    async list(tenantId, page) {
      const keys = await store.page(tenantId, page)
      const data = keys.slice(0, page.limit).map((key) => viewOf(key, nowMs()))
      return { data, hasMore: keys.length > data.length }
    },

    async get(tenantId, id) {
      return viewOf(await existing(tenantId, id), nowMs())
    },

    async patch({ actor, tenantId, id, input }) {
      const key = await mutable(actor, tenantId, id)
      refuseRevoked(key)
      const fields: KeyFields = { ...key, ...fieldsOf(input, nowMs()) }
      mayGive(actor, tenantId, fields)
      if (!(await store.update(key, fields, nowMs()))) throw changedMeanwhile()
      return changedTo(tenantId, id)
    },

    async rotate({ actor, tenantId, id, overlapSeconds }) {
      const key = await mutable(actor, tenantId, id)
      refuseRevoked(key)
      const [text, atMs] = [makeApiKey(), nowMs()]
      if (!(await store.rotate(key, sha256Hex(text), atMs, atMs + overlapSeconds * 1_000))) throw changedMeanwhile()
      return { ...(await changedTo(tenantId, id)), key: text }
    },

    async revoke({ actor, tenantId, id }) {
      await store.revoke(await mutable(actor, tenantId, id), nowMs())
      return changedTo(tenantId, id)
    },
  }
}

const NO_RESTRICTIONS: Omit<KeyFields, 'name'> = {
  role: null,
  scopes: null,
  models: null,
  allowedOrigins: null,
  allowedNetworks: null,
  expiresAtMs: null,
}

type Given = Pick<KeyRecord, 'role' | 'scopes' | 'models'>

function scopesOf({ role, scopes }: Given, tenantId: string): readonly Scope[] {
  return role === null ? (scopes ?? []) : scopesOfRole(role, tenantId)
}

function mayGive(actor: Principal, tenantId: string, given: Given): void {
  const scopes = scopesOf(given, tenantId)
  const impossible = scopes.find((scope) => !withinTenant(scopes, tenantId).includes(scope))
  if (impossible) {
    throw new AppError('invalid_request', `scopes must not have ${impossible}: no key of this tenant can.`, {
      param: 'scopes',
    })
  }
  const lacked = scopes.find((scope) => !actor.scopes.includes(scope))
  if (lacked) throw new AppError('permission_denied', `This needs the scope ${lacked}, which your key lacks.`)
  const { models } = actor
  if (models && !given.models?.every((model) => models.includes(model))) {
    throw new AppError('permission_denied', 'This needs models that your key may not use.', { param: 'models' })
  }
}

/** Only what the input says. */
function fieldsOf(input: CreateKey | PatchKey, nowMs: number): Partial<KeyFields> {
  const { name, role, scopes, models, allowed_origins, allowed_networks, expires_at } = input
  if (role && scopes) throw invalid('scopes', 'must not be given beside role')
  allowed_networks?.forEach((text, index) => {
    if (parseNetwork(text)) return
    throw invalid(`allowed_networks.${index}`, 'must be a network, as 192.0.2.0/24 or 2001:db8::/32, or an address')
  })
  const expiresAtMs = typeof expires_at === 'number' ? expires_at * 1_000 : expires_at
  if (typeof expiresAtMs === 'number' && expiresAtMs <= nowMs) throw invalid('expires_at', 'must be in the future')
  return {
    ...(name === undefined ? {} : { name }),
    ...(role ? { role, scopes: null } : {}),
    ...(scopes ? { scopes: [...new Set(scopes)], role: null } : {}),
    ...(models === undefined ? {} : { models }),
    ...(allowed_origins === undefined ? {} : { allowedOrigins: allowed_origins }),
    ...(allowed_networks === undefined ? {} : { allowedNetworks: allowed_networks }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  }
}

function viewOf(key: KeyRecord, nowMs: number): KeyView {
  const isExpired = key.expiresAtMs !== null && key.expiresAtMs <= nowMs
  const overlaps = key.revokedAtMs === null && key.previousUntilMs !== null && key.previousUntilMs > nowMs
  return {
    object: 'api_key',
    id: key.id,
    tenant_id: key.tenantId,
    name: key.name,
    status: key.revokedAtMs === null ? (isExpired ? 'expired' : 'active') : 'revoked',
    role: key.role,
    scopes: withinTenant(scopesOf(key, key.tenantId), key.tenantId),
    models: key.models,
    allowed_origins: key.allowedOrigins,
    allowed_networks: key.allowedNetworks,
    created_at: unixSeconds(key.createdAtMs),
    rotated_at: seconds(key.rotatedAtMs),
    previous_valid_until: overlaps ? seconds(key.previousUntilMs) : null,
    expires_at: seconds(key.expiresAtMs),
    revoked_at: seconds(key.revokedAtMs),
  }
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : unixSeconds(ms)
}

function refuseRevoked(key: KeyRecord): void {
  if (key.revokedAtMs !== null) throw new AppError('invalid_request', 'This key is revoked. Make another.')
}

function invalid(param: string, requirement: string): AppError {
  return new AppError('invalid_request', `${param} ${requirement}.`, { param })
}

function notFound(): AppError {
  return new AppError('resource_not_found', 'There is no such key.')
}

function changedMeanwhile(): AppError {
  return new AppError(
    'stale_write',
    'The key was changed by somebody else at the same time. Look at it, then send again.',
  )
}
