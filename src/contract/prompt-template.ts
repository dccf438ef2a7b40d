/** Stored prompt templates on the wire: what `/v1/prompts` takes and gives, and how a chat request names one. */
import * as z from 'zod/mini'
import { chatRequestSchema, MESSAGES_MAX } from './chat-completion.ts'

/** A template is read by people: what is longer is data, and belongs into a variable. */
export const TEMPLATE_CHARS_MAX = 65_536
export const TEMPLATE_MESSAGES_MAX = 64
export const TEMPLATE_VARIABLES_MAX = 64
/** About 64,000 tokens: a document to summarise. A variable that says nothing else takes so much. */
export const VARIABLE_CHARS_MAX = 262_144
export const LIST_ITEMS_MAX = 256

const PROMPT_ID = /^[a-z0-9][a-z0-9._-]{0,63}$/
const LABEL = /^[a-z][a-z0-9._-]{0,31}$/
export const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/

export const promptIdSchema = z
  .string()
  .check(z.regex(PROMPT_ID, 'must be 1 to 64 of a-z, 0-9, ".", "_", "-", the first a letter or digit'))
export const labelSchema = z
  .string()
  .check(z.regex(LABEL, 'must be 1 to 32 of a-z, 0-9, ".", "_", "-", the first a letter'))
const variableName = z
  .string()
  .check(z.regex(VARIABLE_NAME, 'must be 1 to 64 letters, digits or "_", the first no digit'))
const versionNumber = z.int().check(z.minimum(1), z.maximum(1_000_000))

const listItem = z.string().check(z.maxLength(4_096))
export const variableValueSchema = z.union([
  z.string().check(z.maxLength(VARIABLE_CHARS_MAX)),
  z.number(),
  z.boolean(),
  z.array(listItem).check(z.maxLength(LIST_ITEMS_MAX)),
])
export type VariableValue = z.infer<typeof variableValueSchema>

export const variableValuesSchema = z.record(variableName, variableValueSchema).check(
  z.refine((values) => Object.keys(values).length <= TEMPLATE_VARIABLES_MAX, {
    error: `must have at most ${TEMPLATE_VARIABLES_MAX} names`,
  }),
)

/** The version, else what the label points to, else what `production` points to. */
export const promptReferenceSchema = z
  .strictObject({
    id: promptIdSchema,
    version: z.optional(versionNumber),
    label: z.optional(labelSchema),
    variables: z.optional(variableValuesSchema),
  })
  .check(
    z.refine(({ version, label }) => version === undefined || label === undefined, {
      error: 'must not be given beside version',
      path: ['label'],
    }),
  )
export type PromptReference = z.infer<typeof promptReferenceSchema>

/** What callers of `/v1/chat/completions` may send: a template beside or instead of messages. */
export const promptedChatRequestSchema = z
  .looseObject({
    ...chatRequestSchema.shape,
    messages: z._default(chatRequestSchema.shape.messages.check(z.maxLength(MESSAGES_MAX)), []),
    prompt: z.nullish(promptReferenceSchema),
  })
  .check(
    z.refine(({ messages, prompt }) => messages.length > 0 || (prompt ?? undefined) !== undefined, {
      error: 'must have at least 1 item, or a prompt beside it',
      path: ['messages'],
    }),
  )
export type PromptedChatRequest = z.infer<typeof promptedChatRequestSchema>

const description = z.string().check(z.maxLength(1_024))

/** `text` unless it says otherwise. */
export const variableSchema = z.strictObject({
  type: z._default(z.enum(['text', 'number', 'boolean', 'list', 'choice']), 'text'),
  description: z.optional(description),
  /** Without one the variable must be given. */
  default: z.optional(variableValueSchema),
  /** Of text and of each item. */
  max_chars: z.optional(z.int().check(z.minimum(1), z.maximum(VARIABLE_CHARS_MAX))),
  minimum: z.optional(z.number()),
  maximum: z.optional(z.number()),
  /** Of a `choice`. */
  options: z.optional(z.array(listItem).check(z.minLength(1), z.maxLength(LIST_ITEMS_MAX))),
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
  variables: z._default(z.record(variableName, variableSchema), {}),
})
export type Template = z.infer<typeof templateSchema>

export const newVersionSchema = z.strictObject({
  ...templateSchema.shape,
  /** Why. */
  note: z.optional(description),
  /** Labels to point here at once. */
  labels: z.optional(z.array(labelSchema).check(z.maxLength(8))),
})

export type NewVersion = z.infer<typeof newVersionSchema>

export const newPromptSchema = z.strictObject({
  id: promptIdSchema,
  description: z.optional(description),
  ...newVersionSchema.shape,
})
export type NewPrompt = z.infer<typeof newPromptSchema>

export const promptChangeSchema = z.strictObject({ description })
export const labelChangeSchema = z.strictObject({ version: versionNumber })
export const renderRequestSchema = z
  .strictObject({
    version: z.optional(versionNumber),
    label: z.optional(labelSchema),
    variables: z.optional(variableValuesSchema),
  })
  .check(
    z.refine(({ version, label }) => version === undefined || label === undefined, {
      error: 'must not be given beside version',
      path: ['label'],
    }),
  )
