/** Users and signing in on the wire (requirements rows E6, E13): `/admin/users` and `/auth/*`. Our own shapes, so strict. */
import * as z from 'zod/mini'
import { ROLES, type Role } from './roles.ts'

/** RFC 5321 4.5.3.1: a path of 256 octets, with its brackets. */
const EMAIL_CHARS_MAX = 254
/** One sign, no spaces, a domain with a dot, ASCII alone: addresses that only look alike would be two accounts. */
const EMAIL = /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/

/** Long enough that the back-off makes guessing hopeless. */
const PASSWORD_CHARS_MIN = 12
/** A passphrase fits; hashing a book would be work for nothing. */
const PASSWORD_CHARS_MAX = 256

/** Trimmed and in lower case: so it is stored and compared. */
export const emailSchema = z
  .string()
  .check(z.maxLength(EMAIL_CHARS_MAX), z.trim(), z.toLowerCase(), z.regex(EMAIL, 'must be an e-mail address in ASCII'))
export const passwordSchema = z.string().check(z.minLength(PASSWORD_CHARS_MIN), z.maxLength(PASSWORD_CHARS_MAX))
export const roleSchema = z.enum(ROLES)
export const statusSchema = z.enum(['active', 'disabled'])
const nameSchema = z.string().check(z.minLength(1), z.maxLength(128))

export const newUserSchema = z.strictObject({
  email: emailSchema,
  password: passwordSchema,
  name: z.optional(nameSchema),
  role: z._default(roleSchema, 'member'),
})
export type NewUser = z.infer<typeof newUserSchema>

export const userChangeSchema = z
  .strictObject({
    name: z.optional(z.nullable(nameSchema)),
    role: z.optional(roleSchema),
    status: z.optional(statusSchema),
    password: z.optional(passwordSchema),
  })
  .check(z.refine((change) => Object.keys(change).length > 0, 'must name a field to change'))
export type UserChange = z.infer<typeof userChangeSchema>

export const registrationSchema = z.strictObject({
  email: emailSchema,
  password: passwordSchema,
  name: z.optional(nameSchema),
})
export type Registration = z.infer<typeof registrationSchema>

/** RFC 6749 4.3.2 and 6. Loose: parameters that are not known are ignored (3.2), `scope` and `client_id` among them. */
export const tokenRequestSchema = z.object({
  grant_type: z.string().check(z.minLength(1), z.maxLength(128)),
  username: z.optional(z.string().check(z.minLength(1), z.maxLength(EMAIL_CHARS_MAX), z.trim(), z.toLowerCase())),
  password: z.optional(z.string().check(z.minLength(1), z.maxLength(PASSWORD_CHARS_MAX))),
  refresh_token: z.optional(z.string().check(z.minLength(1), z.maxLength(256))),
})

/** The present one may be older than the bounds of today. */
export const passwordChangeSchema = z
  .strictObject({
    current: z.string().check(z.minLength(1), z.maxLength(PASSWORD_CHARS_MAX)),
    new: passwordSchema,
  })
  .check(
    z.refine((change) => change.new !== change.current, {
      path: ['new'],
      error: 'must be another than the present one',
    }),
  )

export const logoutSchema = z.strictObject({ everywhere: z._default(z.boolean(), false) })

/** What `after` looks like in the list of users. */
export const userIdSchema = z.string().check(z.regex(/^usr_[0-9A-Za-z]{30}$/))

export type UserObject = {
  id: string
  object: 'user'
  tenant_id: string
  email: string
  name: string | null
  role: Role
  status: 'active' | 'disabled'
  /** Unix seconds, as OpenAI's. */
  created_at: number
}

export type TokenResponse = {
  access_token: string
  token_type: 'Bearer'
  expires_in: number
  refresh_token: string
  /** Separated by spaces. */
  scope: string
}
