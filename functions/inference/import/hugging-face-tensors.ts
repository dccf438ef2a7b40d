/** The tensors of safetensors files under the names, types and row order of a GGUF file, so that the importer reads them as one. */
import type { FileHandle } from 'node:fs/promises'
import { ARCHITECTURES } from './architectures.ts'
import { GGML_TYPES, type GgmlType } from './ggml-types.ts'
import { GgufError } from './gguf-cursor.ts'
import type { GgufFile, GgufTensor } from './gguf-file.ts'
import type { HuggingFaceConfig } from './hugging-face-config.ts'
import { readAt, STORED_BYTES, type StoredTensor } from './safetensors-table.ts'

export type Located = StoredTensor & { handle: FileHandle }

const LAYER_NAMES: Readonly<Record<string, string>> = {
  'input_layernorm.weight': 'attn_norm.weight',
  'post_attention_layernorm.weight': 'ffn_norm.weight',
  'self_attn.q_proj.weight': 'attn_q.weight',
  'self_attn.k_proj.weight': 'attn_k.weight',
  'self_attn.v_proj.weight': 'attn_v.weight',
  'self_attn.q_proj.bias': 'attn_q.bias',
  'self_attn.k_proj.bias': 'attn_k.bias',
  'self_attn.v_proj.bias': 'attn_v.bias',
  'self_attn.q_norm.weight': 'attn_q_norm.weight',
  'self_attn.k_norm.weight': 'attn_k_norm.weight',
  'self_attn.o_proj.weight': 'attn_output.weight',
  'mlp.gate_proj.weight': 'ffn_gate.weight',
  'mlp.up_proj.weight': 'ffn_up.weight',
  'mlp.down_proj.weight': 'ffn_down.weight',
}
const OTHER_NAMES: Readonly<Record<string, string>> = {
  'model.embed_tokens.weight': 'token_embd.weight',
  'model.norm.weight': 'output_norm.weight',
  'lm_head.weight': 'output.weight',
}
const TURNED = /\.attn_[qk]\.weight$/

type Source = { tensor: GgufTensor; read: (from: number, length: number) => Promise<Buffer> }

/**
 * The port of the importer over these tensors. `path` names the folder in errors; `close` closes nothing that was not given to it.
 * @throws GgufError for a tensor of another type, of more than two dimensions, or of a name that no such model has
 */
export function huggingFaceTensors(
  path: string,
  config: HuggingFaceConfig,
  stored: ReadonlyMap<string, Located>,
  close: () => Promise<void>,
): GgufFile {
  const sources: Source[] = []
  let end = 0
  const add = (name: string, type: GgmlType, rows: number, columns: number, read: Source['read']) => {
    const byteLength = rows * columns * GGML_TYPES[type].blockBytes
    sources.push({ tensor: { name, type, rows, columns, offset: end, byteLength }, read })
    end += byteLength
  }
  for (const [name, tensor] of stored) {
    // Buffers of old checkpoints, which can be computed, and heads that are the embeddings once more.
    if (name.endsWith('.rotary_emb.inv_freq') || (name === 'lm_head.weight' && config.tiedEmbeddings)) continue
    const { dtype, shape } = tensor
    if (!Object.hasOwn(STORED_BYTES, dtype)) {
      throw new GgufError(`its tensor ${name} is ${dtype}, and ${Object.keys(STORED_BYTES).join(', ')} can be exported`)
    }
    // Sound: STORED_BYTES has just these three.
    const type = dtype as 'F32' | 'F16' | 'BF16'
    const [rows = 0, columns = 0] = shape.length === 1 ? [1, shape[0]] : shape
    if (shape.length < 1 || shape.length > 2 || rows < 1 || columns < 1)
      throw new GgufError(
        `its tensor ${name} has the shape [${shape.join(', ')}], and vectors and matrices are expected`,
      )
    const ours = ggufName(name)
    const plain: Source['read'] = async (from, length) => {
      const bytes = await readAt(tensor.handle, tensor.offset + from, length)
      if (!isAllFinite(type, bytes)) throw new GgufError(`its tensor ${name} has weights that are not finite`)
      return bytes
    }
    if (shape.length === 1) add(ours, 'F32', 1, columns, asFloats(type, plain))
    else if (ARCHITECTURES[config.architecture].rotatedPairs === 'neighbours' && TURNED.test(ours)) {
      add(ours, type, rows, columns, turned(tensor, rows, config.headDim, plain))
    } else add(ours, type, rows, columns, plain)
  }
  if (!config.tiedEmbeddings && !stored.has('lm_head.weight'))
    throw new GgufError('it has no tensor lm_head.weight, and its embeddings are not tied')
  if (config.ropeFactors) {
    const bytes = Buffer.from(config.ropeFactors.buffer)
    const length = config.ropeFactors.length
    add('rope_freqs.weight', 'F32', 1, length, async (from, count) => bytes.subarray(from, from + count))
  }
  return {
    path,
    metadata: config.metadata,
    tensors: new Map(sources.map(({ tensor }) => [tensor.name, tensor])),
    read: async (offset, length) => {
      const source = sourceAt(sources, offset)
      return source.read(offset - source.tensor.offset, length)
    },
    close,
  }
}

/** All bits of an exponent set: infinity, or no number. A damaged download is noticed here and not by its answers. */
const EXPONENTS = { F32: 0x7f80, F16: 0x7c00, BF16: 0x7f80 } as const

function isAllFinite(type: 'F32' | 'F16' | 'BF16', bytes: Buffer): boolean {
  const exponent = EXPONENTS[type]
  const step = GGML_TYPES[type].blockBytes
  // The upper half of a float32 is a BF16.
  for (let at = step - 2; at < bytes.length; at += step) {
    if ((bytes.readUInt16LE(at) & exponent) === exponent) return false
  }
  return true
}

/** Tensors lie one behind the other; the importer reads within one at a time. */
function sourceAt(sources: readonly Source[], offset: number): Source {
  const source = sources.find(({ tensor }) => offset >= tensor.offset && offset < tensor.offset + tensor.byteLength)
  if (!source) throw new Error(`no tensor lies at ${offset}`)
  return source
}

function ggufName(name: string): string {
  const [, layer, part = ''] = /^model\.layers\.(\d{1,4})\.(.+)$/.exec(name) ?? []
  const ours = layer === undefined ? own(OTHER_NAMES, name) : own(LAYER_NAMES, part)
  if (ours === undefined) throw new GgufError(`it has the tensor ${name}, which no model of its type uses here`)
  return layer === undefined ? ours : `blk.${Number(layer)}.${ours}`
}

const own = (table: Readonly<Record<string, string>>, key: string) =>
  Object.hasOwn(table, key) ? table[key] : undefined

/** Norms and biases are fp32 in a GGUF file, whatever the matrices are. */
function asFloats(type: 'F32' | 'F16' | 'BF16', plain: Source['read']): Source['read'] {
  const format = GGML_TYPES[type]
  if (type === 'F32' || format.kind !== 'float') return plain
  return async (from, length) => {
    const bytes = await plain((from / 4) * format.blockBytes, (length / 4) * format.blockBytes)
    const floats = Buffer.alloc(length)
    for (let i = 0; i < length / 4; i++) floats.writeFloatLE(format.read(bytes, i * format.blockBytes), i * 4)
    return floats
  }
}

/**
 * A head's rows i and i + headDim / 2, which are rotated together, as neighbours 2i and 2i + 1: `permute` in llama.cpp's conversion of llamas.
 * Whole heads are read, and what was asked for is cut out of them.
 */
function turned({ byteLength }: StoredTensor, rows: number, headDim: number, plain: Source['read']): Source['read'] {
  const rowBytes = byteLength / rows
  const headBytes = rowBytes * headDim
  if (rows % headDim !== 0) throw new GgufError('the rows of its q_proj or k_proj are no whole number of heads')
  return async (from, length) => {
    const start = Math.floor(from / headBytes) * headBytes
    const end = Math.ceil((from + length) / headBytes) * headBytes
    const bytes = await plain(start, end - start)
    const out = Buffer.allocUnsafe(bytes.length)
    for (let row = 0; row < bytes.length / rowBytes; row++) {
      const inHead = row % headDim
      const pairAt = inHead >> 1
      const source = row - inHead + (inHead & 1 ? pairAt + headDim / 2 : pairAt)
      bytes.copy(out, row * rowBytes, source * rowBytes, (source + 1) * rowBytes)
    }
    return out.subarray(from - start, from - start + length)
  }
}
