/** `POST /chat`: one turn of a stored conversation (requirements row E1). Our own small shape, so strict: an unknown field is a mistake. */
import * as z from 'zod/mini'
import { type AnswerNote, MAX_TOKENS_MAX, MODEL_CHARS_MAX } from './chat-completion.ts'
import { lazy } from './lazy.ts'

/** One turn of text. A conversation's row in the object's SQLite must stay under 2 MB, in UTF-8 at most four bytes a character. */
export const TURN_CHARS_MAX = 262_144

/** `conv_` and 32 base62 characters, made by the server: 190 bits, so that an id cannot be guessed. */
export const CONVERSATION_ID = /^conv_[0-9A-Za-z]{32}$/

export const chatTurnRequestSchema = lazy(() =>
  z.strictObject({
    message: z.string().check(z.minLength(1), z.maxLength(TURN_CHARS_MAX)),
    conversation_id: z.optional(z.string().check(z.regex(CONVERSATION_ID, 'must be conv_ and 32 letters or digits'))),
    /** A label for the caller's own user, never authority. */
    user_id: z.string().check(z.minLength(1), z.maxLength(256)),
    model_config: z.optional(
      z.strictObject({
        model: z.optional(z.string().check(z.minLength(1), z.maxLength(MODEL_CHARS_MAX))),
        temperature: z.optional(z.number().check(z.minimum(0), z.maximum(2))),
        top_p: z.optional(z.number().check(z.gt(0), z.maximum(1))),
        max_tokens: z.optional(z.int().check(z.minimum(1), z.maximum(MAX_TOKENS_MAX))),
        seed: z.optional(z.int()),
      }),
    ),
  }),
)
export type ChatTurnRequest = z.infer<ReturnType<typeof chatTurnRequestSchema>>

export type ChatTurnResponse = {
  response: string
  conversation_id: string
  /** RFC 3339, when the answer was complete. */
  timestamp: string
  model_used: string
} & AnswerNote
