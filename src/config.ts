/** The only reader of variables and secrets: parsed once per isolate, so that a wrong setting fails loudly and by name. */
import * as z from 'zod/mini'
import type { Env } from './env.ts'

/** Of few parts: every isolate makes all of these before it answers, and each part costs as much as parsing it. */
const wholeNumber = (fallback: number, minimum: number, maximum: number) =>
  z.pipe(
    z.transform((text: string | undefined) =>
      text === undefined ? fallback : /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN,
    ),
    z.number('must be a whole number').check(z.minimum(minimum), z.maximum(maximum)),
  )

const secret = z.optional(z.string().check(z.minLength(32), z.maxLength(512)))

/** Name of the variable, its bounds and its default. README.md (Settings) lists the same names; a test compares. */
export const settingsSchema = z.object({
  PERIGEE_INFERENCE_URL: z._default(z.url({ protocol: /^https?$/ }), 'http://127.0.0.1:8080'),
  PERIGEE_INFERENCE_KEY: z.optional(z.string().check(z.minLength(16), z.maxLength(512))),
  PERIGEE_DEFAULT_MODEL: z._default(z.string().check(z.minLength(1), z.maxLength(256)), 'smollm2-135m-instruct'),
  /** SHA-256 of the first API key, which makes all others: 64 hexadecimal digits. */
  PERIGEE_KEY_SHA256: z.optional(
    z.string().check(z.regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits')),
  ),
  /** Signs access tokens (HS256). Without it nobody can sign in. */
  PERIGEE_TOKEN_SECRET: secret,
  /** Verifies what was signed before PERIGEE_TOKEN_SECRET was changed. */
  PERIGEE_TOKEN_SECRET_PREVIOUS: secret,
  /** What inference servers sign their heartbeats with. Without it none may announce itself. */
  PERIGEE_HEARTBEAT_SECRET: secret,
  /** wrangler.toml ships 30. */
  PERIGEE_TOKEN_MINUTES: wholeNumber(15, 1, 1_440),
  PERIGEE_SESSION_DAYS: wholeNumber(30, 1, 365),
  /** scrypt's p: some 40 ms of CPU time each. Raised, it reaches an account when its owner signs in. */
  PERIGEE_PASSWORD_ROUNDS: wholeNumber(5, 1, 20),
  PERIGEE_SELF_REGISTRATION: z._default(z.enum(['on', 'off']), 'off'),
  /** The least severe line of the log; `silent` writes none. */
  PERIGEE_LOG_LEVEL: z._default(z.enum(['debug', 'info', 'warn', 'error', 'silent']), 'info'),
  PERIGEE_BODY_BYTES_MAX: wholeNumber(20 * 1_048_576, 1_024, 100 * 1_048_576),
  PERIGEE_CONNECT_TIMEOUT_MS: wholeNumber(3_000, 100, 60_000),
  PERIGEE_FIRST_TOKEN_TIMEOUT_MS: wholeNumber(10_000, 100, 600_000),
  PERIGEE_WAITING_TIMEOUT_MS: wholeNumber(60_000, 100, 600_000),
  PERIGEE_BETWEEN_TOKENS_TIMEOUT_MS: wholeNumber(10_000, 100, 600_000),
  PERIGEE_TOTAL_TIMEOUT_MS: wholeNumber(300_000, 1_000, 3_600_000),
  /** Of which requests answers are remembered, unless they say so themselves: see docs/cache.md. */
  PERIGEE_CACHE: z._default(z.enum(['default', 'on', 'off']), 'default'),
  PERIGEE_CACHE_TTL_SECONDS: wholeNumber(3_600, 1, 2_592_000),
  /** Per isolate, both of them; an isolate has 128 MB for everything. */
  PERIGEE_CACHE_ENTRIES: wholeNumber(10_000, 1, 1_000_000),
  PERIGEE_CACHE_BYTES: wholeNumber(32 * 1_048_576, 65_536, 100 * 1_048_576),
  /** Redis at Upstash, over HTTPS: remembers answers, and counts limits in place of Durable Objects. Both or neither. */
  PERIGEE_UPSTASH_URL: z.optional(z.url({ protocol: /^https?$/ })),
  PERIGEE_UPSTASH_TOKEN: z.optional(z.string().check(z.minLength(1), z.maxLength(1_024))),
  /** Whether deployments may be at addresses of the Worker's own network, or of the machine it runs on. */
  PERIGEE_ALLOW_INTERNAL_URLS: z._default(z.enum(['on', 'off']), 'off'),
  PERIGEE_CONVERSATION_DAYS: wholeNumber(7, 1, 365),
  /** So long the log of requests has one; 0: none is kept, and what is there is deleted within a day. */
  PERIGEE_REQUEST_LOG_DAYS: wholeNumber(30, 0, 3_650),
  /** Of the key of PERIGEE_KEY_SHA256, at each endpoint. All others have the limits of docs/limits.md. */
  PERIGEE_DEV_KEY_REQUESTS_PER_HOUR: wholeNumber(10_000_000, 1, 999_999_999),
})

export type Config = z.infer<typeof settingsSchema>

/** Throws with every wrong setting by name; the Worker then answers 500 and the log says which. */
export function readConfig(env: Env): Config {
  const parsed = settingsSchema.safeParse(env)
  if (parsed.success) {
    const { PERIGEE_UPSTASH_URL: url, PERIGEE_UPSTASH_TOKEN: token } = parsed.data
    if ((url === undefined) === (token === undefined)) return parsed.data
    throw new Error('Wrong settings: PERIGEE_UPSTASH_URL and PERIGEE_UPSTASH_TOKEN are set together or not at all')
  }
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  throw new Error(`Wrong settings: ${problems.join('; ')}`)
}

/** Names of secrets that hold credentials of deployments: the only ones that a configuration can name. */
export const UPSTREAM_SECRET = /^UPSTREAM_[A-Z0-9_]{1,48}$/

/** By name. Line breaks around a value are a slip of whoever set it, and no header may have them. */
export function readUpstreamSecrets(env: Env): ReadonlyMap<string, string> {
  const secrets = Object.entries(env).flatMap(([name, value]): [string, string][] =>
    UPSTREAM_SECRET.test(name) && typeof value === 'string' && value.trim() !== '' ? [[name, value.trim()]] : [],
  )
  return new Map(secrets)
}
