/** Whose objects an administrator's request is about: its own tenant's, or those of `tenant_id` for who may look after all tenants. */
import type { Scope } from '../contract/scopes.ts'
import { AppError } from '../errors.ts'
import { type AppContext, principalOf } from './route.ts'

/** Another tenant is the same 404 as none, unless the caller has the scope. */
export function tenantOfQuery(context: AppContext, given: string | undefined, scope: Scope): string {
  const { tenantId, scopes } = principalOf(context)
  if (given === undefined || given === tenantId) return tenantId
  if (!scopes.includes(scope))
    throw new AppError('resource_not_found', 'There is no such tenant.', { param: 'tenant_id' })
  return given
}
