/** `/admin/limits`: what a tenant allows whom, in a window of time. Strict: an unknown field is a mistake. */
import * as z from 'zod/mini'
import { MODEL_CHARS_MAX } from './chat-completion.ts'
import { EACH } from './limit-each.ts'

/**
 * Whose use is counted together. `tenant`: all of it. `key`, `user`: each key or user. `endpoint`: each user at each endpoint.
 * `model`: the tenant's use of each model. `end_user`: each `user_id` under a server key, inside what that key may use.
 */
export const LIMIT_DIMENSIONS = ['tenant', 'key', 'user', 'endpoint', 'model', 'end_user'] as const
export type LimitDimension = (typeof LIMIT_DIMENSIONS)[number]

export const LIMIT_KINDS = ['requests', 'tokens', 'streams'] as const
export type LimitKind = (typeof LIMIT_KINDS)[number]

/** Which kinds a dimension can have: the endpoint and the end user are not known where tokens and streams are counted. */
export const KINDS_OF: Readonly<Record<LimitDimension, readonly LimitKind[]>> = {
  tenant: LIMIT_KINDS,
  key: LIMIT_KINDS,
  user: LIMIT_KINDS,
  model: LIMIT_KINDS,
  endpoint: ['requests'],
  end_user: ['requests'],
}

/** Beyond it nobody is limited; sums of it stay exact. */
export const LIMIT_AMOUNT_MAX = 1_000_000_000_000
/** 31 days. */
export const LIMIT_WINDOW_SECONDS_MAX = 2_678_400
export const LIMIT_SUBJECT_CHARS_MAX = MODEL_CHARS_MAX

const LIMIT_ID = /^lim_[0-9A-Za-z]{32}$/

/** As the table of routes has them; anything else would limit nothing. */
const ENDPOINT = /^(GET|POST|PUT|PATCH|DELETE) \/\S*$/

const amount = z.int().check(z.minimum(1), z.maximum(LIMIT_AMOUNT_MAX))
const windowSeconds = z.int().check(z.minimum(1), z.maximum(LIMIT_WINDOW_SECONDS_MAX))

export const newLimitSchema = z
  .strictObject({
    dimension: z.enum(LIMIT_DIMENSIONS),
    subject: z._default(z.string().check(z.minLength(1), z.maxLength(LIMIT_SUBJECT_CHARS_MAX)), EACH),
    kind: z.enum(LIMIT_KINDS),
    amount,
    window_seconds: z.optional(windowSeconds),
  })
  .check(
    z.refine((limit) => KINDS_OF[limit.dimension].includes(limit.kind), {
      path: ['kind'],
      error: 'must be requests for an endpoint or an end user',
    }),
    z.refine((limit) => limit.dimension !== 'tenant' || limit.subject === EACH, {
      path: ['subject'],
      error: 'must be left out for a tenant: there is one',
    }),
    z.refine((limit) => limit.dimension !== 'endpoint' || limit.subject === EACH || ENDPOINT.test(limit.subject), {
      path: ['subject'],
      error: 'must be * or a method and a path, as "POST /chat"',
    }),
    z.refine((limit) => (limit.kind === 'streams') === (limit.window_seconds === undefined), {
      path: ['window_seconds'],
      error: 'must be given for requests and tokens, and left out for streams, which are counted at once',
    }),
  )
export type NewLimit = z.infer<typeof newLimitSchema>

/** Only how much; whose it is and what is counted stay. */
export const limitChangeSchema = z.strictObject({ amount, window_seconds: z.optional(windowSeconds) })
export type LimitChange = z.infer<typeof limitChangeSchema>

export const limitIdSchema = z.string().check(z.regex(LIMIT_ID, 'must be lim_ and 32 letters or digits'))

export type Limit = {
  id: string
  object: 'limit'
  dimension: LimitDimension
  subject: string
  kind: LimitKind
  amount: number
  /** Null for streams. */
  window_seconds: number | null
  /** Seconds since 1970. */
  created_at: number
}
