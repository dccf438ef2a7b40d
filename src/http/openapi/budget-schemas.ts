/** What `/admin/budgets`, `/admin/prices` and `/admin/usage` answer, for the document and for tests. Not in the bundle: see schemas.ts. */
import * as z from 'zod/mini'
import { listOf } from './list-schema.ts'

const count = z.int().check(z.nonnegative())
/** Seconds since 1970. */
const time = z.int()

export const budgetSchema = z.object({
  id: z.string(),
  object: z.literal('budget'),
  period: z.enum(['day', 'month']),
  unit: z.enum(['tokens', 'cost']),
  key_id: z.nullable(z.string()),
  limit: count,
  spent: count,
  presumed: count,
  reserved: count,
  left: count,
  resets_at: time,
  version: count,
  updated_at: time,
})

export const priceSchema = z.object({
  object: z.literal('price'),
  model: z.string(),
  version: count,
  input: count,
  cached_input: count,
  output: count,
  since: time,
})

export const usageRowSchema = z.object({
  id: z.string(),
  object: z.literal('usage'),
  request_id: z.string(),
  key_id: z.string(),
  user_id: z.nullable(z.string()),
  model: z.string(),
  prompt_tokens: count,
  cached_tokens: count,
  completion_tokens: count,
  charged_tokens: count,
  cost_nano: count,
  price_version: count,
  started_at: time,
  ended_at: time,
})

export const usageSumSchema = z.object({
  object: z.literal('usage.sum'),
  day: z.optional(z.string()),
  model: z.optional(z.string()),
  key: z.optional(z.string()),
  user: z.optional(z.string()),
  requests: count,
  prompt_tokens: count,
  cached_tokens: count,
  completion_tokens: count,
  cost_nano: count,
})

export const budgetListSchema = listOf(budgetSchema)
export const priceListSchema = listOf(priceSchema)
export const usageListSchema = listOf(usageRowSchema)
export const usageSumListSchema = listOf(usageSumSchema)
