/** OpenAI's embeddings on the wire, with vLLM's `truncate_prompt_tokens`. */
import * as z from 'zod/mini'
import { MODEL_CHARS_MAX } from './chat-completion.ts'

/** OpenAI's limits of one request; whoever serves says which one was passed. */
export const EMBEDDING_INPUTS_MAX = 2_048
export const EMBEDDING_TOKENS_MAX = 300_000
/** [CLS], [SEP] and something between them. */
const TRUNCATE_TOKENS_MIN = 3

const ids = z.array(z.int().check(z.nonnegative())).check(z.minLength(1))

export const embeddingRequestSchema = z.looseObject({
  model: z.string().check(z.minLength(1), z.maxLength(MODEL_CHARS_MAX)),
  input: z.union([z.string(), z.array(z.string()).check(z.minLength(1)), ids, z.array(ids).check(z.minLength(1))]),
  encoding_format: z.nullish(z.enum(['float', 'base64'])),
  dimensions: z.nullish(z.int().check(z.positive())),
  user: z.nullish(z.string()),
  /** Longer inputs lose their end: -1 for what the model takes, else the tokens to keep. Without it they are refused. */
  truncate_prompt_tokens: z.nullish(z.union([z.literal(-1), z.int().check(z.minimum(TRUNCATE_TOKENS_MIN))])),
})
export type EmbeddingRequest = z.infer<typeof embeddingRequestSchema>

export type EmbeddingResponse = {
  object: 'list'
  /** `embedding`: numbers, or the base64 of little-endian 32-bit floats. */
  data: { object: 'embedding'; index: number; embedding: number[] | string }[]
  model: string
  usage: { prompt_tokens: number; total_tokens: number }
}
