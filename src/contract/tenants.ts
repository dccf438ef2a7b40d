/** `/admin/tenants`: what is asked and answered. */
import * as z from 'zod/mini'

export const tenantIdSchema = z.string().check(z.regex(/^tnt_[0-9A-Za-z]{1,40}$/, 'must be tnt_ and letters or digits'))

const name = z.string().check(z.minLength(1), z.maxLength(100))

export const createTenantSchema = z.strictObject({ name })
export type CreateTenant = z.infer<typeof createTenantSchema>

/** A suspended tenant's keys and its users' tokens are not valid; nothing else of it changes. */
export const patchTenantSchema = z.strictObject({
  name: z.optional(name),
  status: z.optional(z.enum(['active', 'suspended'])),
})
export type PatchTenant = z.infer<typeof patchTenantSchema>

/** Times are in seconds since 1970, as OpenAI's. */
export type TenantView = {
  object: 'tenant'
  id: string
  name: string
  status: 'active' | 'suspended'
  created_at: number
  updated_at: number
}
