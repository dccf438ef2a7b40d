/** Who an outside provider's token says somebody is, in our terms. Pure. What is not mapped is refused: closed. */
import type { Principal } from '../chat/ports.ts'
import { ROLES, type Role } from '../contract/roles.ts'
import type { IdentityProvider, TrustedProvider } from './provider-store.ts'
import { scopesOfRole } from './roles.ts'

const SUBJECT_CHARS_MAX = 255

type Claims = Readonly<Record<string, unknown>>

/**
 * The user's id begins with the provider's, for a `sub` is unique only at its issuer (OpenID Connect Core 2): nobody becomes one of our
 * users, or another provider's, by choosing a name.
 */
export function principalOfClaims(provider: TrustedProvider, claims: Claims): Principal | undefined {
  const { sub } = claims
  if (typeof sub !== 'string' || sub === '' || sub.length > SUBJECT_CHARS_MAX) return undefined
  const role = roleOf(provider, claims)
  const tenantId = tenantOf(provider, claims)
  if (!role || !tenantId || !provider.activeTenantIds.includes(tenantId)) return undefined
  return { tenantId, keyId: provider.id, userId: `${provider.id}:${sub}`, scopes: scopesOfRole(role, tenantId) }
}

/** Of several the one that may most. */
function roleOf({ roleClaim, roles, defaultRole }: IdentityProvider, claims: Claims): Role | undefined {
  const given = new Set(textsOf(claims, roleClaim).map((value) => own(roles, value)))
  return ROLES.find((role) => given.has(role)) ?? defaultRole ?? undefined
}

/** One alone: who is in two tenants must say which, and a token cannot be asked. */
function tenantOf({ tenantId, tenantClaim, tenants }: IdentityProvider, claims: Claims): string | undefined {
  if (tenantClaim === null) return tenantId
  const found = new Set(textsOf(claims, tenantClaim).flatMap((value) => own(tenants, value) ?? []))
  return found.size === 1 ? [...found][0] : undefined
}

/** The claim of this very name, or at this path, as `realm_access.roles`: names with dots exist, too. */
function textsOf(claims: Claims, name: string | null): string[] {
  if (name === null) return []
  let value: unknown = own(claims, name)
  if (value === undefined) {
    value = name.split('.').reduce<unknown>((inner, part) => (isRecord(inner) ? own(inner, part) : undefined), claims)
  }
  return (Array.isArray(value) ? value : [value]).filter((text) => typeof text === 'string')
}

function own<Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
