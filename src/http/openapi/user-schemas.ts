/** Answers about signing in, users and identity providers, for the OpenAPI document. Not in the bundle: see schemas.ts. */
import * as z from 'zod/mini'
import { roleSchema, statusSchema } from '../../contract/users.ts'
import { listOf } from './list-schema.ts'

const count = z.int().check(z.nonnegative())

export const tokenResponseSchema = z.strictObject({
  access_token: z.string(),
  token_type: z.literal('Bearer'),
  expires_in: count,
  refresh_token: z.string(),
  scope: z.string(),
})

export const userSchema = z.strictObject({
  id: z.string(),
  object: z.literal('user'),
  tenant_id: z.string(),
  email: z.string(),
  name: z.nullable(z.string()),
  role: roleSchema,
  status: statusSchema,
  created_at: z.int(),
})

export const userListSchema = listOf(userSchema)

export const principalSchema = z.strictObject({
  object: z.literal('principal'),
  tenant_id: z.string(),
  key_id: z.string(),
  user_id: z.nullable(z.string()),
  scopes: z.array(z.string()),
  user: z.nullable(userSchema),
})

export const identityProviderSchema = z.strictObject({
  id: z.string(),
  object: z.literal('identity_provider'),
  tenant_id: z.string(),
  issuer: z.string(),
  audience: z.string(),
  jwks_uri: z.string(),
  status: statusSchema,
  role_claim: z.nullable(z.string()),
  roles: z.record(z.string(), roleSchema),
  default_role: z.nullable(roleSchema),
  tenant_claim: z.nullable(z.string()),
  tenants: z.record(z.string(), z.string()),
  created_at: z.int(),
})

export const identityProviderListSchema = listOf(identityProviderSchema)

export const deletedSchema = z.strictObject({
  id: z.optional(z.string()),
  object: z.string(),
  deleted: z.literal(true),
})
