/** The sizes and constants of a model, read from GGUF metadata with bounds. */
import { ARCHITECTURES } from './architectures.ts'
import { GgufError } from './gguf-cursor.ts'
import type { GgufFile } from './gguf-file.ts'

export type DecoderShape = {
  architecture: keyof typeof ARCHITECTURES
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
export function readDecoderShape(file: GgufFile): DecoderShape {
  const architecture = readArchitecture(file)
  const key = (name: string) => `${architecture}.${name}`
  const hiddenSize = integer(file, key('embedding_length'), SIZE_MAX)
  const heads = integer(file, key('attention.head_count'), SIZE_MAX)
  const kvHeads = integer(file, key('attention.head_count_kv'), SIZE_MAX, heads)
  const headDim = integer(file, key('attention.key_length'), SIZE_MAX, Math.floor(hiddenSize / heads))
  const rotaryDim = integer(file, key('rope.dimension_count'), SIZE_MAX, headDim)
  if (integer(file, key('attention.value_length'), SIZE_MAX, headDim) !== headDim)
    throw new GgufError('its values are of another size than its keys, which is not supported')
  if (rotaryDim !== headDim)
    throw new GgufError(`it rotates ${rotaryDim} of ${headDim} dimensions, which is not supported`)
  if (headDim % 2 !== 0 || heads % kvHeads !== 0) throw new GgufError('its attention heads do not divide evenly')
  if (integer(file, key('expert_count'), SIZE_MAX, 0) > 0)
    throw new GgufError('it is a mixture of experts, which is not supported')
  const tokens = file.metadata.get('tokenizer.ggml.tokens')
  if (!Array.isArray(tokens) || tokens.length === 0) throw new GgufError('it has no tokenizer')
  const scaling = file.metadata.get(key('rope.scaling.type')) ?? 'none'
  if (scaling !== 'none' && scaling !== 'linear') {
    throw new GgufError(`its rope scaling is ${String(scaling)}, and none and linear are supported`)
  }
  return {
    architecture,
    layers: integer(file, key('block_count'), LAYERS_MAX),
    hiddenSize,
    feedForwardSize: integer(file, key('feed_forward_length'), SIZE_MAX),
    heads,
    kvHeads,
    headDim,
    vocabSize: tokens.length,
    contextLength: integer(file, key('context_length'), CONTEXT_MAX),
    normEpsilon: real(file, key('attention.layer_norm_rms_epsilon'), 1e-5),
    ropeTheta: real(file, key('rope.freq_base'), 10_000),
    ropeScale: scaling === 'linear' ? real(file, key('rope.scaling.factor'), 1) : 1,
  }
}

/** A mixture of experts has a name of its own (qwen3moe), and is told apart from what is merely unknown. */
function readArchitecture(file: GgufFile): DecoderShape['architecture'] {
  const name = String(file.metadata.get('general.architecture'))
  const known = (Object.keys(ARCHITECTURES) as DecoderShape['architecture'][]).find((key) => key === name)
  if (known) return known
  const experts = file.metadata.has(`${name}.expert_count`) ? ', a mixture of experts' : ''
  const names = Object.keys(ARCHITECTURES).join(', ')
  throw new GgufError(`its architecture is ${name}${experts}, and those that can be imported are ${names}`)
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
