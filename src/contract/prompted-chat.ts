/** How a chat request names a stored prompt template. Apart from what a template is (prompt-template.ts): every isolate that begins makes these schemas. */
import * as z from 'zod/mini'
import { chatRequestSchema, MESSAGES_MAX } from './chat-completion.ts'
import { lazy } from './lazy.ts'

export const TEMPLATE_VARIABLES_MAX = 64
/** About 64,000 tokens: a document to summarise. A variable that says nothing else takes so much. */
export const VARIABLE_CHARS_MAX = 262_144
export const LIST_ITEMS_MAX = 256

const PROMPT_ID = /^[a-z0-9][a-z0-9._-]{0,63}$/
const LABEL = /^[a-z][a-z0-9._-]{0,31}$/
export const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/

export const promptIdSchema = lazy(() =>
  z.string().check(z.regex(PROMPT_ID, 'must be 1 to 64 of a-z, 0-9, ".", "_", "-", the first a letter or digit')),
)
export const labelSchema = lazy(() =>
  z.string().check(z.regex(LABEL, 'must be 1 to 32 of a-z, 0-9, ".", "_", "-", the first a letter')),
)
export const variableNameSchema = lazy(() =>
  z.string().check(z.regex(VARIABLE_NAME, 'must be 1 to 64 letters, digits or "_", the first no digit')),
)
export const versionNumberSchema = lazy(() => z.int().check(z.minimum(1), z.maximum(1_000_000)))

export const listItemSchema = lazy(() => z.string().check(z.maxLength(4_096)))
export const variableValueSchema = lazy(() =>
  z.union([
    z.string().check(z.maxLength(VARIABLE_CHARS_MAX)),
    z.number(),
    z.boolean(),
    z.array(listItemSchema()).check(z.maxLength(LIST_ITEMS_MAX)),
  ]),
)
export type VariableValue = z.infer<ReturnType<typeof variableValueSchema>>

export const variableValuesSchema = lazy(() =>
  z.record(variableNameSchema(), variableValueSchema()).check(
    z.refine((values) => Object.keys(values).length <= TEMPLATE_VARIABLES_MAX, {
      error: `must have at most ${TEMPLATE_VARIABLES_MAX} names`,
    }),
  ),
)

/** The version, else what the label points to, else what `production` points to. */
const promptReferenceSchema = lazy(() =>
  z
    .strictObject({
      id: promptIdSchema(),
      version: z.optional(versionNumberSchema()),
      label: z.optional(labelSchema()),
      variables: z.optional(variableValuesSchema()),
    })
    .check(
      z.refine(({ version, label }) => version === undefined || label === undefined, {
        error: 'must not be given beside version',
        path: ['label'],
      }),
    ),
)
export type PromptReference = z.infer<ReturnType<typeof promptReferenceSchema>>

/** What callers of `/v1/chat/completions` may send: a template beside or instead of messages. */
export const promptedChatRequestSchema = lazy(() =>
  z
    .looseObject({
      ...chatRequestSchema().shape,
      messages: z._default(chatRequestSchema().shape.messages.check(z.maxLength(MESSAGES_MAX)), []),
      prompt: z.nullish(promptReferenceSchema()),
    })
    .check(
      z.refine(({ messages, prompt }) => messages.length > 0 || (prompt ?? undefined) !== undefined, {
        error: 'must have at least 1 item, or a prompt beside it',
        path: ['messages'],
      }),
    ),
)
export type PromptedChatRequest = z.infer<ReturnType<typeof promptedChatRequestSchema>>
