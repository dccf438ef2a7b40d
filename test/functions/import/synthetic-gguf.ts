/** Writes a tiny random model as a GGUF file, of any weight type, and keeps the values that it stands for: the importer is checked against those. */
import { randomMatrix, type SyntheticType, seededRandom } from './synthetic-blocks.ts'

export type SyntheticModel = {
  file: Buffer
  architecture: SyntheticArchitecture
  shape: typeof SHAPE
  /** Each tensor's values, row by row, as doubles. */
  values: Map<string, Float64Array>
  /** The file again with other metadata; undefined leaves a key out. */
  withMetadata(changes: Metadata): Buffer
}

export type SyntheticArchitecture = 'llama' | 'qwen2' | 'qwen3'

/** Of a llama; `headDim` differs for qwen3, whose heads together are wider than the model. */
export const SHAPE = {
  hiddenSize: 256,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 64,
  feedForwardSize: 512,
  contextLength: 256,
  normEpsilon: 1e-5,
  ropeTheta: 10_000,
}

export type SyntheticOptions = {
  /** llama if not given. */
  architecture?: SyntheticArchitecture
  weights: SyntheticType
  embeddings: SyntheticType
  /** Untied head of this type. */
  head?: SyntheticType
  /** Of attn_v, where it differs from the other weights as it does in mixed files. */
  valueWeights?: SyntheticType
  ropeFactors?: boolean
  seed?: number
}

export type Metadata = Record<string, GgufInput | undefined>

/** A metadata value with its GGUF type. */
export type GgufInput = { text: string } | { u32: number } | { f32: number } | { texts: string[] } | { i32s: number[] }

const SPECIAL = ['<|endoftext|>', '<|im_start|>', '<|im_end|>']

export function syntheticVocabulary(): { tokens: string[]; merges: string[] } {
  const prints = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  let next = 256
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(prints(byte) ? byte : next++))
  const merges = ['h e', 'l l', 'he ll', 'hell o', 'Ġ w', 'o r', 'Ġw or', 'l d', 'Ġwor ld']
  return { tokens: [...SPECIAL, ...bytes, ...merges.map((pair) => pair.replace(' ', ''))], merges }
}

export function syntheticGguf(options: SyntheticOptions): SyntheticModel {
  const random = seededRandom(options.seed ?? 1)
  const { tokens, merges } = syntheticVocabulary()
  const { architecture = 'llama' } = options
  const shape = { ...SHAPE, headDim: architecture === 'qwen3' ? 128 : SHAPE.headDim }
  const { hiddenSize, layers, heads, kvHeads, headDim, feedForwardSize } = shape
  const values = new Map<string, Float64Array>()
  const tensors: { name: string; columns: number; rows: number; type: number; bytes: Buffer }[] = []
  const add = (name: string, type: SyntheticType, rows: number, columns: number, scale: number, shift = 0) => {
    const matrix = randomMatrix(type, rows, columns, scale, shift, random)
    values.set(name, matrix.values)
    tensors.push({ name, columns, rows, type: matrix.typeId, bytes: matrix.bytes })
  }
  add('token_embd.weight', options.embeddings, tokens.length, hiddenSize, 1)
  for (let layer = 0; layer < layers; layer++) {
    const at = (name: string) => `blk.${layer}.${name}.weight`
    add(at('attn_norm'), 'F32', 1, hiddenSize, 0.2, 1)
    add(at('ffn_norm'), 'F32', 1, hiddenSize, 0.2, 1)
    add(at('attn_q'), options.weights, heads * headDim, hiddenSize, 0.2)
    add(at('attn_k'), options.weights, kvHeads * headDim, hiddenSize, 0.2)
    add(at('attn_v'), options.valueWeights ?? options.weights, kvHeads * headDim, hiddenSize, 0.2)
    add(at('attn_output'), options.weights, hiddenSize, heads * headDim, 0.2)
    add(at('ffn_gate'), options.weights, feedForwardSize, hiddenSize, 0.2)
    add(at('ffn_up'), options.weights, feedForwardSize, hiddenSize, 0.2)
    add(at('ffn_down'), options.weights, hiddenSize, feedForwardSize, 0.2)
    if (architecture === 'qwen2') {
      add(`blk.${layer}.attn_q.bias`, 'F32', 1, heads * headDim, 2)
      add(`blk.${layer}.attn_k.bias`, 'F32', 1, kvHeads * headDim, 2)
      add(`blk.${layer}.attn_v.bias`, 'F32', 1, kvHeads * headDim, 2)
    }
    if (architecture === 'qwen3') {
      add(at('attn_q_norm'), 'F32', 1, headDim, 1, 1)
      add(at('attn_k_norm'), 'F32', 1, headDim, 1, 1)
    }
  }
  add('output_norm.weight', 'F32', 1, hiddenSize, 0.2, 1)
  if (options.head) add('output.weight', options.head, tokens.length, hiddenSize, 0.2)
  if (options.ropeFactors) add('rope_freqs.weight', 'F32', 1, headDim / 2, 0.5, 2)

  const metadata: Metadata = {
    'general.architecture': { text: architecture },
    [`${architecture}.block_count`]: { u32: layers },
    [`${architecture}.context_length`]: { u32: shape.contextLength },
    [`${architecture}.embedding_length`]: { u32: hiddenSize },
    [`${architecture}.feed_forward_length`]: { u32: feedForwardSize },
    [`${architecture}.attention.head_count`]: { u32: heads },
    [`${architecture}.attention.head_count_kv`]: { u32: kvHeads },
    [`${architecture}.attention.layer_norm_rms_epsilon`]: { f32: shape.normEpsilon },
    [`${architecture}.rope.freq_base`]: { f32: shape.ropeTheta },
    [`${architecture}.rope.dimension_count`]: { u32: headDim },
    ...(architecture === 'qwen3'
      ? { 'qwen3.attention.key_length': { u32: headDim }, 'qwen3.attention.value_length': { u32: headDim } }
      : {}),
    'tokenizer.ggml.model': { text: 'gpt2' },
    'tokenizer.ggml.pre': { text: architecture === 'llama' ? 'smollm' : 'qwen2' },
    'tokenizer.ggml.tokens': { texts: tokens },
    'tokenizer.ggml.token_type': { i32s: tokens.map((_, id) => (id < SPECIAL.length ? 3 : 1)) },
    'tokenizer.ggml.merges': { texts: merges },
    'tokenizer.ggml.bos_token_id': { u32: 1 },
    'tokenizer.ggml.eos_token_id': { u32: 2 },
    'tokenizer.ggml.eot_token_id': { u32: 0 },
    'tokenizer.chat_template': { text: "{% for m in messages %}{{ m['content'] }}{% endfor %}" },
  }
  return {
    file: encode(metadata, tensors),
    architecture,
    shape,
    values,
    withMetadata: (changes) => encode({ ...metadata, ...changes }, tensors),
  }
}

const ALIGNMENT = 32

function encode(
  metadata: Metadata,
  tensors: { name: string; columns: number; rows: number; type: number; bytes: Buffer }[],
): Buffer {
  const keys = Object.entries(metadata).flatMap(([key, value]) =>
    value ? [Buffer.concat([text(key), encodeValue(value)])] : [],
  )
  let offset = 0
  const infos = tensors.map((tensor) => {
    const dims = tensor.rows === 1 ? [tensor.columns] : [tensor.columns, tensor.rows]
    const info = Buffer.concat([text(tensor.name), u32(dims.length), ...dims.map(u64), u32(tensor.type), u64(offset)])
    offset += padded(tensor.bytes.length)
    return info
  })
  const head = Buffer.concat([Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(keys.length), ...keys, ...infos])
  return Buffer.concat([pad(head), ...tensors.map((tensor) => pad(tensor.bytes))])
}

function encodeValue(value: GgufInput): Buffer {
  if ('text' in value) return Buffer.concat([u32(8), text(value.text)])
  if ('u32' in value) return Buffer.concat([u32(4), u32(value.u32)])
  if ('f32' in value) {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt32LE(6)
    bytes.writeFloatLE(value.f32, 4)
    return bytes
  }
  if ('texts' in value) return Buffer.concat([u32(9), u32(8), u64(value.texts.length), ...value.texts.map(text)])
  return Buffer.concat([u32(9), u32(5), u64(value.i32s.length), Buffer.from(Int32Array.from(value.i32s).buffer)])
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([u64(bytes.length), bytes])
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

function padded(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT
}

function pad(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(padded(bytes.length) - bytes.length)])
}
