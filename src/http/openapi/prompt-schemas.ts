/** The answers of `/v1/prompts`, for the document and the tests. Not in the bundle: see schemas.ts. */
import * as z from 'zod/mini'
import { templateMessageSchema, variableSchema } from '../../contract/prompt-template.ts'
import { listOf } from './list-schema.ts'

const count = z.int().check(z.nonnegative())

export const promptSchema = z.strictObject({
  id: z.string(),
  object: z.literal('prompt'),
  description: z.string(),
  built_in: z.boolean(),
  latest_version: count,
  labels: z.record(z.string(), count),
  created_at: count,
  updated_at: count,
})

export const promptVersionSchema = z.strictObject({
  object: z.literal('prompt.version'),
  prompt_id: z.string(),
  version: count,
  messages: z.array(templateMessageSchema),
  variables: z.record(z.string(), variableSchema),
  note: z.string(),
  created_by: z.string(),
  created_at: count,
})

export const renderedPromptSchema = z.strictObject({
  prompt_id: z.string(),
  version: count,
  messages: z.array(z.strictObject({ role: z.string(), content: z.string() })),
})

export const promptListSchema = listOf(promptSchema)
export const promptVersionListSchema = listOf(promptVersionSchema)
