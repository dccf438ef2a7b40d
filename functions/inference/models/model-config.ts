/** The folder that the importer writes and the engine reads: the graph, the tokenizer, and this description of both. */
import * as z from 'zod/mini'

/** Raise when the importer writes another graph for the same weights; it is part of the folder's name and of `system_fingerprint`. */
export const IMPORTER_VERSION = 2

export const GRAPH_FILE = 'model.onnx'
/** The weights, which the graph refers to by this name: both must lie in one folder. */
export const WEIGHTS_FILE = 'model.onnx.data'
export const TOKENIZER_FILE = 'tokenizer.json'
export const CONFIG_FILE = 'config.json'

const positive = z.int().check(z.positive())
const tokenId = z.int().check(z.nonnegative())

/**
 * config.json. Every count is a number of elements; `contextLength` is the largest number of tokens (prompt and answer together)
 * that the rotary tables in the graph reach.
 *
 * The graph's inputs and outputs (float is fp32; `layer` counts from 0):
 *   input_ids                          int64 [batch_size, sequence_length]
 *   seqlens_k                          int32 [batch_size]                   index of each row's last key: keys in use minus 1
 *   total_sequence_length              int32 []                             at least the largest seqlens_k + 1
 *   logits_index                       int64 [batch_size, positions, 1]     which positions of the row's input get logits
 *   past_key_values.{layer}.key|value  float [batch_size, kvHeads, past_sequence_length, headDim]
 *   logits                             float [batch_size, positions, vocabSize]
 *   present.{layer}.key|value          float, bound to the same buffer as the past
 */
export const modelConfigSchema = z.object({
  importerVersion: z.literal(IMPORTER_VERSION),
  name: z.string(),
  architecture: z.enum(['llama', 'qwen2', 'qwen3']),
  layers: positive,
  hiddenSize: positive,
  heads: positive,
  kvHeads: positive,
  headDim: positive,
  vocabSize: positive,
  contextLength: positive,
  bosTokenId: z.nullable(tokenId),
  /** Any of these ends the answer. */
  eosTokenIds: z.array(tokenId),
  /** Jinja source from where the weights came, or null for a model without one. */
  chatTemplate: z.nullable(z.string()),
  /** SHA-256 of the file that the weights came from, lower-case hexadecimal; of several, of their digests (hugging-face-folder.ts). */
  weightsSha256: z.string().check(z.length(64)),
  /** Bytes of each of the other files, by name: how a folder that lost some of one is told from a whole one. */
  fileBytes: z.record(z.string(), positive),
})

export type ModelConfig = z.infer<typeof modelConfigSchema>
