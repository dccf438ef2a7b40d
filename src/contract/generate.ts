/** `POST /generate`: text in, its continuation out (requirements row E4). Our own small shape, so strict: an unknown field is a mistake. */
import * as z from 'zod/mini'
import { type AnswerNote, MAX_TOKENS_MAX } from './chat-completion.ts'
import { lazy } from './lazy.ts'

/** Some 65,000 tokens of prose; what is longer than the model's context the model refuses. */
export const GENERATE_CHARS_MAX = 262_144

/** As the requirements have it. */
export const MAX_LENGTH_DEFAULT = 100

export const generateRequestSchema = lazy(() =>
  z.strictObject({
    text: z.string().check(z.minLength(1), z.maxLength(GENERATE_CHARS_MAX)),
    /** New tokens at most; the text itself does not count. */
    max_length: z._default(z.int().check(z.minimum(1), z.maximum(MAX_TOKENS_MAX)), MAX_LENGTH_DEFAULT),
  }),
)
export type GenerateRequest = z.infer<ReturnType<typeof generateRequestSchema>>

/** The continuation alone, without the text that it continues. */
export type GenerateResponse = { generated_text: string } & AnswerNote
