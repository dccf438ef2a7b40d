/** What `/admin/requests` answers, for the document and for tests. Not in the bundle: see schemas.ts. */
import * as z from 'zod/mini'
import { listOf } from './list-schema.ts'

const count = z.int().check(z.nonnegative())
const ms = z.int()
const deployment = z.object({ id: z.string(), model: z.string() })

const FIELDS = {
  id: z.string(),
  object: z.literal('request'),
  request_id: z.string(),
  endpoint: z.nullable(z.string()),
  client: z.nullable(z.string()),
  key_id: z.string(),
  user_id: z.nullable(z.string()),
  model: z.string(),
  deployment: z.nullable(deployment),
  status: z.int(),
  code: z.string(),
  cache: z.nullable(z.enum(['hit', 'miss', 'join', 'bypass'])),
  stream: z.boolean(),
  prompt_tokens: z.nullable(count),
  cached_tokens: z.nullable(count),
  completion_tokens: z.nullable(count),
  cost_nano: z.nullable(count),
  started_at_ms: ms,
  first_token_ms: z.nullable(ms),
  total_ms: ms,
  attempts: count,
  continued: z.boolean(),
}

const callSchema = z.object({
  deployment,
  kind: z.enum(['first', 'retry', 'continuation']),
  /** How a continuation took the answer up. */
  by: z.nullable(z.enum(['token_ids', 'assistant', 'instruct'])),
  began_ms: ms,
  first_token_ms: z.nullable(ms),
  ms: z.nullable(ms),
  code: z.string(),
})

export const requestRowSchema = z.object(FIELDS)
export const requestDetailsSchema = z.object({
  ...FIELDS,
  stages: z.array(z.object({ name: z.string(), ms })),
  calls: z.array(callSchema),
})
export const requestListSchema = listOf(requestRowSchema)
