/**
 * OpenAI's chat completions on the wire: the request as both deployables parse it, and the response types.
 * Unknown fields pass through to the model. Fields that OpenAI's clients send as null mean "not given".
 */
import * as z from 'zod/mini'
import type { Continuation } from './continuation.ts'
import type { FilterFlag } from './filter-rules.ts'
import { lazy } from './lazy.ts'

/** Turns of a long agent's conversation; beyond it a request is a mistake or an attack. */
export const MESSAGES_MAX = 4_096
/** vLLM has no bound and OpenAI four; sixteen covers what agents' frameworks send. */
export const STOP_STRINGS_MAX = 16
export const STOP_CHARS_MAX = 1_024
export const MODEL_CHARS_MAX = 256
/** OpenAI's; vLLM's default, too. */
export const TOP_LOGPROBS_MAX = 20
export const STOP_TOKEN_IDS_MAX = 128
/** The largest output limit any model accepts today, times four. */
export const MAX_TOKENS_MAX = 1_048_576

const contentPart = () => z.looseObject({ type: z.string().check(z.minLength(1), z.maxLength(64)) })

export const messageSchema = lazy(() =>
  z.looseObject({
    role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
    content: z.nullish(z.union([z.string(), z.array(contentPart()).check(z.maxLength(1_024))])),
  }),
)
export type Message = z.infer<ReturnType<typeof messageSchema>>

export const streamOptionsSchema = lazy(() => z.looseObject({ include_usage: z.nullish(z.boolean()) }))

/** The fields that chat and text completions share. Each bound is what the engine can honour. */
export const samplingShape = lazy(() => ({
  model: z.string().check(z.minLength(1), z.maxLength(MODEL_CHARS_MAX)),
  stream: z.nullish(z.boolean()),
  stream_options: z.nullish(streamOptionsSchema()),
  temperature: z.nullish(z.number().check(z.minimum(0), z.maximum(2))),
  top_p: z.nullish(z.number().check(z.gt(0), z.maximum(1))),
  /** vLLM's: 0 and -1 mean no limit. */
  top_k: z.nullish(z.int().check(z.minimum(-1), z.maximum(1_000_000))),
  /** vLLM's, as are the next but two, min_tokens, ignore_eos and stop_token_ids. */
  min_p: z.nullish(z.number().check(z.minimum(0), z.maximum(1))),
  presence_penalty: z.nullish(z.number().check(z.minimum(-2), z.maximum(2))),
  frequency_penalty: z.nullish(z.number().check(z.minimum(-2), z.maximum(2))),
  /** 1 changes nothing. vLLM has no upper bound; beyond ten nothing is ever said twice anyway. */
  repetition_penalty: z.nullish(z.number().check(z.minimum(0.01), z.maximum(10))),
  min_tokens: z.nullish(z.int().check(z.minimum(0), z.maximum(MAX_TOKENS_MAX))),
  ignore_eos: z.nullish(z.boolean()),
  stop_token_ids: z.nullish(z.array(z.int().check(z.nonnegative())).check(z.maxLength(STOP_TOKEN_IDS_MAX))),
  /** JSON numbers are exact up to 2^53; the engine takes it as a 64-bit two's complement integer. */
  seed: z.nullish(z.int()),
  stop: z.nullish(
    z.union([
      z.string().check(z.minLength(1), z.maxLength(STOP_CHARS_MAX)),
      z.array(z.string().check(z.minLength(1), z.maxLength(STOP_CHARS_MAX))).check(z.maxLength(STOP_STRINGS_MAX)),
    ]),
  ),
  max_tokens: z.nullish(z.int().check(z.minimum(1), z.maximum(MAX_TOKENS_MAX))),
  n: z.nullish(z.int().check(z.minimum(1), z.maximum(16))),
  return_token_ids: z.nullish(z.boolean()),
}))

export const chatRequestSchema = lazy(() =>
  z.looseObject({
    ...samplingShape(),
    messages: z.array(messageSchema()).check(z.minLength(1), z.maxLength(MESSAGES_MAX)),
    max_completion_tokens: z.nullish(z.int().check(z.minimum(1), z.maximum(MAX_TOKENS_MAX))),
    logprobs: z.nullish(z.boolean()),
    top_logprobs: z.nullish(z.int().check(z.minimum(0), z.maximum(TOP_LOGPROBS_MAX))),
    add_generation_prompt: z.nullish(z.boolean()),
    continue_final_message: z.nullish(z.boolean()),
  }),
)
export type ChatRequest = z.infer<ReturnType<typeof chatRequestSchema>>

export const textRequestSchema = lazy(() =>
  z.looseObject({
    ...samplingShape(),
    /** 0 gives the prompt alone, with `echo`. */
    max_tokens: z.nullish(z.int().check(z.minimum(0), z.maximum(MAX_TOKENS_MAX))),
    /** How many of the likeliest tokens to tell of at each place; with 0 only the token that came. */
    logprobs: z.nullish(z.int().check(z.minimum(0), z.maximum(TOP_LOGPROBS_MAX))),
    echo: z.nullish(z.boolean()),
    best_of: z.nullish(z.int().check(z.minimum(1), z.maximum(16))),
    prompt: z.union([
      z.string(),
      z.array(z.string()).check(z.length(1)),
      z.array(z.int().check(z.nonnegative())).check(z.minLength(1), z.maxLength(MAX_TOKENS_MAX)),
    ]),
  }),
)
export type TextRequest = z.infer<ReturnType<typeof textRequestSchema>>

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter'

export type Usage = {
  prompt_tokens: number
  completion_tokens: number
  total_tokens: number
  /** Both are part of `prompt_tokens`. `cache_creation_tokens`: what Anthropic wrote to its cache, at another price. */
  prompt_tokens_details?: { cached_tokens?: number; cache_creation_tokens?: number }
}

/** One event of a stream. `choices` is empty in the last one, which carries `usage`; in the others it is null for those who asked for it. */
export type ChatChunk = {
  id: string
  object: 'chat.completion.chunk'
  created: number
  model: string
  system_fingerprint?: string
  choices: ChatChunkChoice[]
  usage?: Usage | null
  /** In the first event, when `return_token_ids` was asked for. */
  prompt_token_ids?: number[]
}

export type ChatChunkChoice = {
  index: number
  delta: { role?: 'assistant'; content?: string | null; [field: string]: unknown }
  finish_reason: FinishReason | null
  logprobs?: unknown
  /** Ids generated since the last event, each exactly once, also where the text is held back. */
  token_ids?: number[]
  /** In its last event. */
  perigee?: ChoiceNote
}

/** What the edge says of a choice: which rules of the tenant's filter matched, in the request or in the answer, and where it was joined. */
export type ChoiceNote = { flags?: FilterFlag[]; joined?: Join[] }

/** The deployment `from` died in the middle of the answer, and `to` took it up. */
export type Join = { from: string; to: string; by: Continuation }

/** The same of an answer that has no choices, and that its budget ended it. */
export type AnswerNote = { flags?: FilterFlag[]; stop_reason?: 'insufficient_quota' }

export type ChatResponse = {
  id: string
  object: 'chat.completion'
  created: number
  model: string
  system_fingerprint?: string
  choices: {
    index: number
    /** OpenAI's types promise `refusal` and `logprobs`, null where there is none; models' servers often leave them out. */
    message: { role: 'assistant'; content: string | null; refusal: string | null; [field: string]: unknown }
    finish_reason: FinishReason
    logprobs: unknown
    token_ids?: number[]
    perigee?: ChoiceNote
  }[]
  /** Absent only when the model gave neither usage nor token ids. */
  usage?: Usage
  prompt_token_ids?: number[]
}

/** OpenAI's text completions; a streamed event has the same shape, with `finish_reason` null until the last. */
export type TextResponse = {
  id: string
  object: 'text_completion'
  created: number
  model: string
  system_fingerprint?: string
  choices: {
    index: number
    text: string
    finish_reason: FinishReason | null
    logprobs: null | unknown
    token_ids?: number[]
    prompt_token_ids?: number[]
    perigee?: ChoiceNote
  }[]
  usage?: Usage | null
}

/** The envelope of every error on OpenAI's routes, and the `data:` of an error event. */
export type OpenAiErrorBody = {
  error: { message: string; type: string; param: string | null; code: string | null; request_id?: string }
}
