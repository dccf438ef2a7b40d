/** A GGUF file with its matrices in fewer bits: they are rounded as they are read, so that the importer knows nothing of it. */
import { GGML_TYPES, type GgmlType } from './ggml-types.ts'
import { GgufError } from './gguf-cursor.ts'
import type { GgufFile, GgufTensor } from './gguf-file.ts'
import { dequantise } from './matrix-values.ts'
import { type QuantiseBlock, quantiseQ4_1, quantiseQ8_0 } from './quantise-blocks.ts'

export type Bits = 4 | 8

/** What was done with the matrices: how many went from which type to which. */
export type Rounded = { from: GgmlType; to: GgmlType; matrices: number }

/** Embeddings and head: few in a large model, and what is rounded there is in every token. */
const KEPT_AT_8 = new Set(['token_embd.weight', 'output.weight'])

/** Minimums are halves. */
const HALF_MAX = 65_504

const TARGETS: Record<Bits, 'Q8_0' | 'Q4_1'> = { 8: 'Q8_0', 4: 'Q4_1' }
const QUANTISERS: Record<'Q8_0' | 'Q4_1', QuantiseBlock> = { Q8_0: quantiseQ8_0, Q4_1: quantiseQ4_1 }

/** `file` stays the owner of its handle: closing either closes it. Matrices whose rows are no whole number of blocks stay as they are. */
export function quantisedFile(file: GgufFile, bits: Bits): { file: GgufFile; rounded: Rounded[] } {
  const sources: { source: GgufTensor; tensor: GgufTensor }[] = []
  const counts = new Map<string, Rounded>()
  let end = 0
  for (const source of file.tensors.values()) {
    const type = typeFor(source, bits)
    const { blockElements, blockBytes } = GGML_TYPES[type]
    const byteLength = ((source.rows * source.columns) / blockElements) * blockBytes
    sources.push({ source, tensor: { ...source, type, offset: end, byteLength } })
    end += byteLength
    if (source.rows === 1) continue
    const known = counts.get(`${source.type} ${type}`) ?? { from: source.type, to: type, matrices: 0 }
    known.matrices += 1
    counts.set(`${source.type} ${type}`, known)
  }
  return {
    rounded: [...counts.values()],
    file: {
      ...file,
      tensors: new Map(sources.map(({ tensor }) => [tensor.name, tensor])),
      async read(offset, length) {
        const found = sources.find(({ tensor: at }) => offset >= at.offset && offset < at.offset + at.byteLength)
        if (!found) throw new Error(`no tensor lies at ${offset}`)
        const { source, tensor } = found
        const from = offset - tensor.offset
        if (source.type === tensor.type) return file.read(source.offset + from, length)
        return readRounded(file, source, tensor, from, length)
      },
      close: () => file.close(),
    },
  }
}

function typeFor({ name, type, rows, columns }: GgufTensor, bits: Bits): GgmlType {
  if (rows === 1 || columns % 32 !== 0) return type
  return TARGETS[KEPT_AT_8.has(name) ? 8 : bits]
}

/** Whole blocks of `tensor`. The blocks of `source` may be larger: those around the range are read, and their beginning is passed over. */
async function readRounded(
  file: GgufFile,
  source: GgufTensor,
  tensor: GgufTensor,
  from: number,
  length: number,
): Promise<Buffer> {
  const to = GGML_TYPES[tensor.type]
  const of = GGML_TYPES[source.type]
  const first = (from / to.blockBytes) * to.blockElements
  const last = ((from + length) / to.blockBytes) * to.blockElements
  const firstBlock = Math.floor(first / of.blockElements)
  const lastBlock = Math.ceil(last / of.blockElements)
  const bytes = await file.read(source.offset + firstBlock * of.blockBytes, (lastBlock - firstBlock) * of.blockBytes)
  const values = dequantise(source.type, bytes)
  if (!values.every((value) => Math.abs(value) <= HALF_MAX))
    throw new GgufError(`${source.name} has weights that are not finite, or beyond ${HALF_MAX}`)
  const quantise = QUANTISERS[tensor.type as 'Q8_0' | 'Q4_1'] // Sound: typeFor gives no other to what it changes.
  const out = Buffer.alloc(length)
  const skipped = first - firstBlock * of.blockElements
  for (let block = 0; block < length / to.blockBytes; block++) {
    quantise(values, skipped + block * to.blockElements, out, block * to.blockBytes)
  }
  return out
}
