/** The sizes and constants of a llama model, read from GGUF metadata with bounds. */
import { GgufError } from './gguf-cursor.ts'
import type { GgufFile } from './gguf-file.ts'

export type LlamaShape = {
  layers: number
  hiddenSize: number
  feedForwardSize: number
  heads: number
  kvHeads: number
  headDim: number
  vocabSize: number
  /** Tokens. */
  contextLength: number
  normEpsilon: number
  ropeTheta: number
  /** Positions are divided by it; 1 for models without linear scaling. */
  ropeScale: number
}

/** Twice Llama 3 405B; larger is a corrupt file. */
const LAYERS_MAX = 256
const SIZE_MAX = 262_144
/** 1,048,576 tokens: the rotary tables then have 512 MB at 128 dimensions per head. */
const CONTEXT_MAX = 1_048_576

/** Throws GgufError for another architecture, for a missing or absurd value, and for variants whose graph would differ. */
export function readLlamaShape(file: GgufFile): LlamaShape {
  const architecture = file.metadata.get('general.architecture')
  if (architecture !== 'llama') {
    throw new GgufError(`its architecture is ${String(architecture)}, and the one that can be imported is llama`)
  }
  const hiddenSize = integer(file, 'llama.embedding_length', SIZE_MAX)
  const heads = integer(file, 'llama.attention.head_count', SIZE_MAX)
  const kvHeads = integer(file, 'llama.attention.head_count_kv', SIZE_MAX, heads)
  const headDim = integer(file, 'llama.attention.key_length', SIZE_MAX, Math.floor(hiddenSize / heads))
  const rotaryDim = integer(file, 'llama.rope.dimension_count', SIZE_MAX, headDim)
  if (rotaryDim !== headDim)
    throw new GgufError(`it rotates ${rotaryDim} of ${headDim} dimensions, which is not supported`)
  if (headDim % 2 !== 0 || heads % kvHeads !== 0) throw new GgufError('its attention heads do not divide evenly')
  if (integer(file, 'llama.expert_count', SIZE_MAX, 0) > 0)
    throw new GgufError('it is a mixture of experts, which is not supported')
  const tokens = file.metadata.get('tokenizer.ggml.tokens')
  if (!Array.isArray(tokens) || tokens.length === 0) throw new GgufError('it has no tokenizer')
  const scaling = file.metadata.get('llama.rope.scaling.type') ?? 'none'
  if (scaling !== 'none' && scaling !== 'linear') {
    throw new GgufError(`its rope scaling is ${String(scaling)}, and none and linear are supported`)
  }
  return {
    layers: integer(file, 'llama.block_count', LAYERS_MAX),
    hiddenSize,
    feedForwardSize: integer(file, 'llama.feed_forward_length', SIZE_MAX),
    heads,
    kvHeads,
    headDim,
    vocabSize: tokens.length,
    contextLength: integer(file, 'llama.context_length', CONTEXT_MAX),
    normEpsilon: real(file, 'llama.attention.layer_norm_rms_epsilon', 1e-5),
    ropeTheta: real(file, 'llama.rope.freq_base', 10_000),
    ropeScale: scaling === 'linear' ? real(file, 'llama.rope.scaling.factor', 1) : 1,
  }
}

function integer(file: GgufFile, key: string, max: number, otherwise?: number): number {
  const value = file.metadata.get(key) ?? otherwise
  const min = otherwise === 0 ? 0 : 1
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw new GgufError(
      `its ${key} is ${value === undefined ? 'missing' : String(value)}, and a whole number from ${min} to ${max} is expected`,
    )
  }
  return value
}

function real(file: GgufFile, key: string, otherwise: number): number {
  const value = file.metadata.get(key) ?? otherwise
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
    throw new GgufError(`its ${key} is no positive number`)
  return value
}
