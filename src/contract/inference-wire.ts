/**
 * What the edge and our inference server say to each other beyond OpenAI's shapes.
 * Names follow vLLM where it has one (`return_token_ids`, `token_ids`, `prompt_token_ids`).
 */
import * as z from 'zod/mini'

/** A token id; the bound is that of a 32-bit vocabulary. */
const tokenId = z.int().check(z.nonnegative(), z.maximum(2 ** 31 - 1))

/** The longest prompt or answer, in tokens, that may be handed over for continuation: the largest context any served model has. */
export const CONTINUE_TOKENS_MAX = 1_048_576

/**
 * Continues an answer from the very tokens another replica produced. The server replays them, restores penalties, stop strings,
 * grammar and tool-parser state, and emits only what lies after `sent_chars`. `max_tokens` counts from the original start and
 * `usage` covers the whole answer.
 */
export const continueSchema = z.object({
  prompt_token_ids: z.array(tokenId).check(z.minLength(1), z.maxLength(CONTINUE_TOKENS_MAX)),
  output_token_ids: z.array(tokenId).check(z.maxLength(CONTINUE_TOKENS_MAX)),
  /** UTF-16 code units of the answer's text that the caller already has; of a tool call its name and its arguments count. */
  sent_chars: z.int().check(z.nonnegative()),
  /** Which of the answers to the prompt it was: each draws numbers of its own. Default 0. */
  choice: z.optional(z.int().check(z.nonnegative(), z.maximum(15))),
})
export type Continue = z.infer<typeof continueSchema>

/** Well below the least time-out between tokens that makes sense. */
export const GATHER_MS_MAX = 1_000

/** The reserved request field. Only the edge may set it: what a caller sends under this name is dropped there. */
export const perigeeRequestSchema = z.object({
  continue: z.optional(continueSchema),
  /** The edge drew `seed`, the caller did not ask for sameness: the engine need not pay for it when the stream is alone. */
  drawn_seed: z.optional(z.boolean()),
  /**
   * The caller waits for the whole answer: after the first event the server may hold tokens back for so many milliseconds, to send
   * them in one. docs/decisions/0007-gathered-events.md says why.
   */
  gather_ms: z.optional(z.int().check(z.minimum(0), z.maximum(GATHER_MS_MAX))),
  /** A stream's closing event tells in `perigee.timings` (shown-timings.ts of the server) what its first token waited for. */
  timings: z.optional(z.boolean()),
})
export type PerigeeRequest = z.infer<typeof perigeeRequestSchema>

/** While a request waits or prefills the server sends the SSE comment `: waiting` this often, so that the edge knows it is alive. */
export const WAITING_COMMENT_EVERY_MS = 2_000

/** `POST /tokenize`: exactly one of messages and prompt. The edge has no tokenizer and asks with `return_tokens: false`. */
export type TokenizeResponse = { count: number; max_model_len: number; tokens?: number[] }
