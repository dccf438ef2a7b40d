/** Stored prompt templates on the wire: what `/v1/prompts` takes and gives. How a chat request names one is in prompted-chat.ts. */
import * as z from 'zod/mini'
import {
  LIST_ITEMS_MAX,
  labelSchema,
  listItemSchema,
  promptIdSchema,
  VARIABLE_CHARS_MAX,
  variableNameSchema,
  variableValueSchema,
  variableValuesSchema,
  versionNumberSchema,
} from './prompted-chat.ts'

/** A template is read by people: what is longer is data, and belongs into a variable. */
export const TEMPLATE_CHARS_MAX = 65_536
export const TEMPLATE_MESSAGES_MAX = 64

const description = z.string().check(z.maxLength(1_024))

/** `text` unless it says otherwise. */
export const variableSchema = z.strictObject({
  type: z._default(z.enum(['text', 'number', 'boolean', 'list', 'choice']), 'text'),
  description: z.optional(description),
  /** Without one the variable must be given. */
  default: z.optional(variableValueSchema()),
  /** Of text and of each item. */
  max_chars: z.optional(z.int().check(z.minimum(1), z.maximum(VARIABLE_CHARS_MAX))),
  minimum: z.optional(z.number()),
  maximum: z.optional(z.number()),
  /** Of a `choice`. */
  options: z.optional(z.array(listItemSchema()).check(z.minLength(1), z.maxLength(LIST_ITEMS_MAX))),
  /** What stands between the items of a `list`. */
  separator: z.optional(z.string().check(z.maxLength(16))),
})
export type Variable = z.infer<typeof variableSchema>

export const templateMessageSchema = z.strictObject({
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: z.string().check(z.minLength(1), z.maxLength(TEMPLATE_CHARS_MAX)),
})

/** What a version is: never changed once it is stored. */
export const templateSchema = z.strictObject({
  messages: z.array(templateMessageSchema).check(z.minLength(1), z.maxLength(TEMPLATE_MESSAGES_MAX)),
  /** What `{{name}}` in a message stands for. One that is used and not described is text that must be given. */
  variables: z._default(z.record(variableNameSchema(), variableSchema), {}),
})
export type Template = z.infer<typeof templateSchema>

export const newVersionSchema = z.strictObject({
  ...templateSchema.shape,
  /** Why. */
  note: z.optional(description),
  /** Labels to point here at once. */
  labels: z.optional(z.array(labelSchema()).check(z.maxLength(8))),
})

export type NewVersion = z.infer<typeof newVersionSchema>

export const newPromptSchema = z.strictObject({
  id: promptIdSchema(),
  description: z.optional(description),
  ...newVersionSchema.shape,
})
export type NewPrompt = z.infer<typeof newPromptSchema>

export const promptChangeSchema = z.strictObject({ description })
export const labelChangeSchema = z.strictObject({ version: versionNumberSchema() })
export const renderRequestSchema = z
  .strictObject({
    version: z.optional(versionNumberSchema()),
    label: z.optional(labelSchema()),
    variables: z.optional(variableValuesSchema()),
  })
  .check(
    z.refine(({ version, label }) => version === undefined || label === undefined, {
      error: 'must not be given beside version',
      path: ['label'],
    }),
  )
