/** The tenant that an admin's request is about: his own, unless he runs the installation and names another by `?tenant_id=`. */
import * as z from 'zod/mini'
import type { Scope } from '../contract/scopes.ts'
import { tenantIdSchema } from '../contract/tenants.ts'
import { AppError } from '../errors.ts'
import { type AppContext, principalOf } from './route.ts'

export const tenantField = { tenant_id: z.optional(tenantIdSchema) }
/** Of routes with nothing else in their query. */
export const tenantQuery = z.strictObject(tenantField)

/** Says nothing about whether the tenant exists. `scope`: `tenants:read`, or `tenants:write` for who changes something. */
export function targetTenant(context: AppContext, asked: string | undefined, scope: Scope): string {
  const { tenantId, scopes } = principalOf(context)
  if (asked === undefined || asked === tenantId) return tenantId
  if (scopes.includes(scope)) return asked
  throw new AppError('permission_denied', `Another tenant needs the scope ${scope}.`, { param: 'tenant_id' })
}
