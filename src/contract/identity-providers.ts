/** `/admin/identity-providers`: who else may say who somebody is (requirements row E6, E13). Our own shape, so strict. */
import * as z from 'zod/mini'
import { tenantIdSchema } from './tenants.ts'
import { roleSchema, statusSchema } from './users.ts'

const CLAIM_CHARS_MAX = 256
const MAPPINGS_MAX = 100

/** Plain http only to this machine itself: else whoever sits between could give keys of his own. */
const SECURE_URL = /^(https:\/\/|http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(\/|$))/
const urlSchema = z
  .url({ protocol: /^https?$/ })
  .check(z.maxLength(512), z.regex(SECURE_URL, 'must begin with https:// (http:// only for this machine)'))
const claimSchema = z.string().check(z.minLength(1), z.maxLength(CLAIM_CHARS_MAX))

function mapping<Value extends z.ZodMiniType>(value: Value) {
  return z
    .record(claimSchema, value)
    .check(z.refine((record) => Object.keys(record).length <= MAPPINGS_MAX, 'must have at most 100 entries'))
}

const fields = {
  /** Compared with the claim `iss` as it is, character by character (RFC 8725 3.8). */
  issuer: z.string().check(z.minLength(1), z.maxLength(512)),
  audience: z.string().check(z.minLength(1), z.maxLength(256)),
  jwks_uri: urlSchema,
  role_claim: z.optional(z.nullable(claimSchema)),
  roles: z.optional(mapping(roleSchema)),
  default_role: z.optional(z.nullable(roleSchema)),
  tenant_claim: z.optional(z.nullable(claimSchema)),
  tenants: z.optional(mapping(tenantIdSchema)),
}

/** What `after` looks like in the list of providers. */
export const providerIdSchema = z.string().check(z.regex(/^idp_[0-9A-Za-z]{30}$/))

export const newIdentityProviderSchema = z.strictObject({ ...fields, tenant_id: z.optional(tenantIdSchema) })
export type NewIdentityProvider = z.infer<typeof newIdentityProviderSchema>

export const identityProviderChangeSchema = z
  .strictObject({
    jwks_uri: z.optional(fields.jwks_uri),
    status: z.optional(statusSchema),
    role_claim: fields.role_claim,
    roles: fields.roles,
    default_role: fields.default_role,
    tenant_claim: fields.tenant_claim,
    tenants: fields.tenants,
  })
  .check(z.refine((change) => Object.keys(change).length > 0, 'must name a field to change'))
export type IdentityProviderChange = z.infer<typeof identityProviderChangeSchema>

export type IdentityProviderObject = {
  id: string
  object: 'identity_provider'
  tenant_id: string
  issuer: string
  audience: string
  jwks_uri: string
  status: 'active' | 'disabled'
  role_claim: string | null
  roles: Record<string, z.infer<typeof roleSchema>>
  default_role: z.infer<typeof roleSchema> | null
  tenant_claim: string | null
  tenants: Record<string, string>
  created_at: number
}
