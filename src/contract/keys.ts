/** `/admin/keys`: what is asked and answered. Our own shapes, so strict: an unknown field is a mistake. */
import * as z from 'zod/mini'
import { MODEL_CHARS_MAX } from './chat-completion.ts'
import { ROLES, type Role } from './roles.ts'
import { SCOPES, type Scope } from './scopes.ts'

export const keyIdSchema = z.string().check(z.regex(/^key_[0-9A-Za-z]{1,40}$/))

/** A restriction is checked at each request: a list that long is still a matter of microseconds. */
const LIST_MAX = 50

const name = z.string().check(z.minLength(1), z.maxLength(100))
const role = z.enum(ROLES)
const scopes = z.array(z.enum(SCOPES)).check(z.minLength(1), z.maxLength(SCOPES.length))
const models = z
  .array(z.string().check(z.minLength(1), z.maxLength(MODEL_CHARS_MAX)))
  .check(z.minLength(1), z.maxLength(LIST_MAX))
const origins = z
  .array(
    z
      .string()
      .check(
        z.maxLength(300),
        z.regex(/^https?:\/\/[a-z0-9.-]+(:\d{1,5})?$/, 'must be an origin, as https://app.example.com, in lower case'),
      ),
  )
  .check(z.minLength(1), z.maxLength(LIST_MAX))
/** Parsed again where it is used: the schema only bounds it. */
const networks = z.array(z.string().check(z.minLength(2), z.maxLength(64))).check(z.minLength(1), z.maxLength(LIST_MAX))
/** Seconds since 1970; the last is the end of the year 9999. */
const expiry = z.int().check(z.minimum(0), z.maximum(253_402_300_799))

const restrictions = {
  /** The aliases that the key may use; null: all. */
  models: z.nullish(models),
  /** Pages that may use it, by the header `Origin`. */
  allowed_origins: z.nullish(origins),
  /** IPv4 or IPv6 networks, or single addresses. */
  allowed_networks: z.nullish(networks),
  expires_at: z.nullish(expiry),
}

/** `role` or `scopes`, not both; without either the role `member`. */
export const createKeySchema = z.strictObject({
  name,
  role: z.optional(role),
  scopes: z.optional(scopes),
  ...restrictions,
})
export type CreateKey = z.infer<typeof createKeySchema>

/** What is not given stays; null lifts a restriction. */
export const patchKeySchema = z.strictObject({
  name: z.optional(name),
  role: z.optional(role),
  scopes: z.optional(scopes),
  ...restrictions,
})
export type PatchKey = z.infer<typeof patchKeySchema>

/** Thirty days, which is as long as anybody should need to hand out a new key. */
const OVERLAP_SECONDS_MAX = 30 * 86_400

export const rotateKeySchema = z.strictObject({
  /** How long the old text stays valid beside the new. */
  overlap_seconds: z._default(z.int().check(z.minimum(0), z.maximum(OVERLAP_SECONDS_MAX)), 0),
})
export type RotateKey = z.infer<typeof rotateKeySchema>

/** Times are in seconds since 1970, as OpenAI's. */
export type KeyView = {
  object: 'api_key'
  id: string
  tenant_id: string
  name: string
  status: 'active' | 'expired' | 'revoked'
  role: Role | null
  scopes: readonly Scope[]
  models: readonly string[] | null
  allowed_origins: readonly string[] | null
  allowed_networks: readonly string[] | null
  created_at: number
  rotated_at: number | null
  /** Until then the text from before the last rotation is valid too. */
  previous_valid_until: number | null
  expires_at: number | null
  revoked_at: number | null
}

/** With the text of the key, this once. */
export type NewKeyView = KeyView & { key: string }
