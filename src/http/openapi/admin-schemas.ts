/** The answers of `/admin/keys` and `/admin/tenants`, for the document and the tests. Not in the bundle: see schemas.ts. */
import * as z from 'zod/mini'
import { ROLES } from '../../contract/roles.ts'
import { SCOPES } from '../../contract/scopes.ts'
import { listOf } from './list-schema.ts'

const seconds = z.int().check(z.nonnegative())
const listOfText = z.nullable(z.array(z.string()))

const keyFields = {
  object: z.literal('api_key'),
  id: z.string(),
  tenant_id: z.string(),
  name: z.string(),
  status: z.enum(['active', 'expired', 'revoked']),
  role: z.nullable(z.enum(ROLES)),
  scopes: z.array(z.enum(SCOPES)),
  models: listOfText,
  allowed_origins: listOfText,
  allowed_networks: listOfText,
  created_at: seconds,
  rotated_at: z.nullable(seconds),
  previous_valid_until: z.nullable(seconds),
  expires_at: z.nullable(seconds),
  revoked_at: z.nullable(seconds),
}
export const keySchema = z.strictObject(keyFields)
export const newKeySchema = z.strictObject({ ...keyFields, key: z.string() })

export const tenantSchema = z.strictObject({
  object: z.literal('tenant'),
  id: z.string(),
  name: z.string(),
  status: z.enum(['active', 'suspended']),
  created_at: seconds,
  updated_at: seconds,
})

export const keyListSchema = listOf(keySchema)
export const tenantListSchema = listOf(tenantSchema)
