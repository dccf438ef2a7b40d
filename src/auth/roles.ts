/** The one table of what a role may do, for keys and for users. */
import type { Role } from '../contract/roles.ts'
import { SCOPES, type Scope } from '../contract/scopes.ts'

/** What reaches beyond one tenant. Only the tenant of who runs the installation can have it, whatever is stored. */
export const INSTALLATION_SCOPES: readonly Scope[] = [
  'tenants:read',
  'tenants:write',
  'metrics:read',
  'routing:read',
  'routing:write',
]

export const INSTALLATION_TENANT = 'tnt_default'

const READ: readonly Scope[] = ['prompts:read', 'filters:read', 'limits:read', 'usage:read']

export const ROLE_SCOPES: Readonly<Record<Role, readonly Scope[]>> = {
  owner: SCOPES,
  admin: SCOPES.filter((scope) => !INSTALLATION_SCOPES.includes(scope)),
  developer: ['chat', ...READ, 'prompts:write', 'keys:read'],
  member: ['chat', 'prompts:read'],
  viewer: READ,
}

/** The scopes of a role in a tenant. */
export function scopesOfRole(role: Role, tenantId: string): readonly Scope[] {
  return withinTenant(ROLE_SCOPES[role], tenantId)
}

/** The scopes without those that this tenant can never have. */
export function withinTenant(scopes: readonly Scope[], tenantId: string): readonly Scope[] {
  if (tenantId === INSTALLATION_TENANT) return scopes
  return scopes.filter((scope) => !INSTALLATION_SCOPES.includes(scope))
}
