/**
 * Reads the description of an embedding model. Its folder is laid out as sentence-transformers publishes them on the Hub, so that a
 * download from there serves as it is: model.onnx (or onnx/model.onnx), tokenizer.json, config.json, and, where they are there,
 * sentence_bert_config.json and 1_Pooling/config.json.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import * as z from 'zod/mini'
import { GRAPH_FILE, TOKENIZER_FILE } from './model-config.ts'

export type EmbeddingFolder = {
  root: string
  /**
   * The graph: inputs input_ids, attention_mask, token_type_ids, int64 [batch, sequence]; output last_hidden_state,
   * float [batch, sequence, dimensions].
   */
  graphFile: string
  tokenizerFile: string
  dimensions: number
  /** Tokens of one input, [CLS] and [SEP] included. */
  inputTokensMax: number
  /** Token ids are 0 to this, exclusive. */
  vocabSize: number
}

const count = z.int().check(z.positive())
const configSchema = z.looseObject({ hidden_size: count, max_position_embeddings: count, vocab_size: count })
const sentenceSchema = z.looseObject({ max_seq_length: z.nullish(count) })
const poolingSchema = z.looseObject({ pooling_mode_mean_tokens: z.literal(true) })

export type HubConfigs = {
  'config.json': z.input<typeof configSchema>
  'sentence_bert_config.json': z.input<typeof sentenceSchema>
}

type Read = { ok: true; folder: EmbeddingFolder } | { ok: false; message: string }

/** @param path of the folder, or of the graph within it */
export function readEmbeddingFolder(path: string): Read {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found) return { ok: false, message: `There is nothing at ${path}.` }
  const within = basename(dirname(path)) === 'onnx' ? dirname(dirname(path)) : dirname(path)
  const folder = found.isDirectory() ? path : within
  const graphFile = found.isDirectory()
    ? [join(path, GRAPH_FILE), join(path, 'onnx', GRAPH_FILE)].find((file) => existsSync(file))
    : path
  if (graphFile === undefined) return { ok: false, message: `${path} holds no ${GRAPH_FILE}.` }
  const tokenizerFile = join(folder, TOKENIZER_FILE)
  if (!existsSync(tokenizerFile)) return { ok: false, message: `${folder} holds no ${TOKENIZER_FILE}.` }

  const config = readConfig(folder, 'config.json', configSchema)
  if (!config.ok) return config
  const sentence = readConfig(folder, 'sentence_bert_config.json', sentenceSchema, {})
  if (!sentence.ok) return sentence
  // Another way of pooling would give vectors that look right and are not.
  const pooling = readConfig(folder, join('1_Pooling', 'config.json'), poolingSchema, {
    pooling_mode_mean_tokens: true,
  })
  if (!pooling.ok) return pooling
  const { hidden_size: dimensions, max_position_embeddings: positions, vocab_size: vocabSize } = config.value
  const inputTokensMax = Math.min(sentence.value.max_seq_length ?? positions, positions)
  return { ok: true, folder: { root: folder, graphFile, tokenizerFile, dimensions, inputTokensMax, vocabSize } }
}

/** @param fallback for a file that is not there */
function readConfig<Output>(
  folder: string,
  file: string,
  schema: z.ZodMiniType<Output>,
  fallback?: Output,
): { ok: true; value: Output } | { ok: false; message: string } {
  const path = join(folder, file)
  if (fallback !== undefined && !existsSync(path)) return { ok: true, value: fallback }
  try {
    const parsed = schema.safeParse(JSON.parse(readFileSync(path, 'utf8')))
    if (parsed.success) return { ok: true, value: parsed.data }
    const issue = parsed.error.issues[0]
    return { ok: false, message: `${path}: ${issue?.path.join('.')}: ${issue?.message}` }
  } catch (error) {
    return { ok: false, message: `${path} cannot be read: ${error instanceof Error ? error.message : error}` }
  }
}
