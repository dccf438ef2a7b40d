/** Budgets, prices and usage on the wire of `/admin`. Every amount is a whole number: tokens, nano-units of money, micro-units a million tokens. */
import * as z from 'zod/mini'
import { BUDGET_ID } from './budget-id.ts'
import { MODEL_CHARS_MAX } from './chat-completion.ts'
import { momentSchema } from './moment.ts'

export const budgetIdSchema = z
  .string()
  .check(z.regex(BUDGET_ID, 'must be as day-tokens, month-cost or day-tokens-KEY'))

const amount = (most: number) => z.int().check(z.nonnegative(), z.maximum(most))

export const putBudgetSchema = z.strictObject({ limit: amount(Number.MAX_SAFE_INTEGER) })

/** A thousand units of currency for a million tokens. */
const PRICE_MAX = 1_000_000_000

export const putPriceSchema = z.strictObject({
  input: amount(PRICE_MAX),
  /** No more than `input`. Default: the same. */
  cached_input: z.optional(amount(PRICE_MAX)),
  output: amount(PRICE_MAX),
})

export const modelNameSchema = z.string().check(z.minLength(1), z.maxLength(MODEL_CHARS_MAX))

const moment = z.optional(momentSchema)
/** Which rows of the log. */
export const usageFilters = {
  /** From this moment on, and before that one: of the request's start. Milliseconds once they are parsed. */
  from: moment,
  to: moment,
  key_id: z.optional(z.string().check(z.minLength(1), z.maxLength(64))),
  user_id: z.optional(z.string().check(z.minLength(1), z.maxLength(256))),
  model: z.optional(modelNameSchema),
}
export const usageGroupSchema = z.enum(['day', 'model', 'key', 'user'])

export const usageCursorSchema = z.string().check(z.regex(/^\d{1,16}_.{1,128}$/, 'must be a `next` of this list'))
export const versionCursorSchema = z.string().check(z.regex(/^\d{1,9}$/, 'must be a `next` of this list'))
