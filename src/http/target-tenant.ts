/** The tenant that an admin's request is about: his own, unless he runs the installation and names another by `?tenant_id=`. */
import type { Scope } from '../contract/scopes.ts'
import { tenantIdSchema } from '../contract/users.ts'
import { AppError } from '../errors.ts'
import { type AppContext, principalOf } from './route.ts'

/** Says nothing about whether the tenant exists. */
export function targetTenant(context: AppContext, scope: Scope): string {
  const principal = principalOf(context)
  const asked = context.req.query('tenant_id')
  if (asked === undefined || asked === principal.tenantId) return principal.tenantId
  if (!tenantIdSchema.safeParse(asked).success) {
    throw new AppError('invalid_request', 'tenant_id must be the id of a tenant.', { param: 'tenant_id' })
  }
  if (principal.scopes.includes(scope)) return asked
  throw new AppError('permission_denied', `Another tenant needs the scope ${scope}.`, { param: 'tenant_id' })
}
