/** Answers of the content filter's routes, for the OpenAPI document and tests. Not in the bundle: see schemas.ts. */
import * as z from 'zod/mini'
import { DETECTABLE } from '../../contract/filter-rules.ts'
import { listOf } from './list-schema.ts'

const count = z.int().check(z.nonnegative())

const ruleFields = {
  name: z.string(),
  version: count,
  action: z.enum(['mask', 'redact', 'block']),
  category: z.optional(z.string()),
  on: z.enum(['both', 'input', 'output']),
  match: z.enum(['auto', 'word', 'substring']),
  detect: z.optional(z.array(z.enum(DETECTABLE))),
  word_count: count,
  updated_at: z.int(),
}
export const filterRuleViewSchema = z.strictObject({ ...ruleFields, words: z.optional(z.array(z.string())) })
export const filterRuleListSchema = listOf(z.strictObject(ruleFields))

const byCategory = <Value extends z.ZodMiniType>(value: Value) => z.record(z.string(), value)
export const moderationResponseSchema = z.object({
  id: z.string(),
  model: z.string(),
  results: z.array(
    z.object({
      flagged: z.boolean(),
      categories: byCategory(z.boolean()),
      category_scores: byCategory(z.number()),
      category_applied_input_types: byCategory(z.array(z.literal('text'))),
    }),
  ),
})
