/** What each role may do. The list of scopes is in src/contract/scopes.ts; the one of roles in src/contract/users.ts. */
import type { Scope } from '../contract/scopes.ts'
import type { Role } from '../contract/users.ts'

const VIEWER: readonly Scope[] = ['prompts:read', 'filters:read', 'limits:read', 'usage:read', 'metrics:read']
const MEMBER: readonly Scope[] = ['chat', 'prompts:read']
const DEVELOPER: readonly Scope[] = ['chat', ...VIEWER, 'prompts:write', 'keys:read']
const ADMIN: readonly Scope[] = [...DEVELOPER, 'keys:write', 'users:read', 'users:write', 'filters:write']

/**
 * No role has `tenants:*`: that is for who runs the installation. An owner differs from an admin in what decides over the tenant's
 * limits, and in that no admin can make, change or remove one: nobody gives more than he has (user-admin.ts).
 */
export const ROLES: Record<Role, readonly Scope[]> = {
  owner: [...ADMIN, 'limits:write'],
  admin: ADMIN,
  developer: DEVELOPER,
  member: MEMBER,
  viewer: VIEWER,
}
