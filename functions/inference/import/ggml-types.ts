/**
 * The number formats of GGUF weights that can be imported, and how each becomes a form that ONNX Runtime computes with exactly.
 * Layouts: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h and ggml-quants.c.
 *
 * A quantised format is written as integers `q` with a scale per group, and for some a minimum: `w = scale * (q - centre) + minimum`, where the
 * centre (8 at 4 bits, 128 at 8 bits) is what MatMulNBits and GatherBlockQuantized take off by themselves. The minimum, which they do not know,
 * is added by the graph from the sums of the activations over each group (linear-layer.ts); a zero point rounded to 4 bits in its place ruins the
 * model (perplexity 19.6 instead of 14.9). A format whose integers start at 0 is shifted to the centre too, with its minimum raised to match:
 * the rounding of activations to int8 then meets integers half as large, so half of its error is gone, and no zero points are stored.
 */
import { halfToFloat } from './half-float.ts'
import { unpackQ4K, unpackQ5K, unpackQ6K } from './k-quants.ts'
import { unpackQ4_0, unpackQ4_1, unpackQ5_0, unpackQ5_1, unpackQ8_0 } from './plain-quants.ts'

export type GgmlType = 'F32' | 'F16' | 'BF16' | 'Q4_0' | 'Q4_1' | 'Q5_0' | 'Q5_1' | 'Q8_0' | 'Q4_K' | 'Q5_K' | 'Q6_K'

export type FloatFormat = {
  kind: 'float'
  id: number
  blockElements: 1
  blockBytes: number
  read(source: Buffer, at: number): number
}

export type BlockFormat = {
  kind: 'blocks'
  id: number
  /** Elements and bytes of a block in the GGUF file. */
  blockElements: number
  blockBytes: number
  /** Elements that share a scale: the block size of MatMulNBits and GatherBlockQuantized. */
  groupElements: number
  /** Bits of an integer there; two of 4 bits share a byte, the earlier in the low half. */
  bits: 4 | 8
  hasMinimum: boolean
  unpack: Unpack
}

/** Arrays for a run of blocks. Block `n` fills its part of each: n * blockElements * bits / 8 integers, n * blockElements / groupElements of the others. */
export type UnpackedBlocks = { integers: Uint8Array; scales: Float32Array; minimums: Float32Array }

/** Reads the block at `source[at]` as the `block`th of `out`. */
export type Unpack = (source: Buffer, at: number, out: UnpackedBlocks, block: number) => void

const float = { kind: 'float', blockElements: 1 } as const
const plain = { kind: 'blocks', blockElements: 32, groupElements: 32, hasMinimum: false } as const
const large = { kind: 'blocks', blockElements: 256, groupElements: 32, hasMinimum: true } as const

export const GGML_TYPES: Record<GgmlType, FloatFormat | BlockFormat> = {
  F32: { ...float, id: 0, blockBytes: 4, read: (source, at) => source.readFloatLE(at) },
  F16: { ...float, id: 1, blockBytes: 2, read: (source, at) => halfToFloat(source.readUInt16LE(at)) },
  BF16: { ...float, id: 30, blockBytes: 2, read: readBrainFloat },
  Q4_0: { ...plain, id: 2, blockBytes: 18, bits: 4, unpack: unpackQ4_0 },
  Q4_1: { ...plain, id: 3, blockBytes: 20, bits: 4, hasMinimum: true, unpack: unpackQ4_1 },
  Q5_0: { ...plain, id: 6, blockBytes: 22, bits: 8, unpack: unpackQ5_0 },
  Q5_1: { ...plain, id: 7, blockBytes: 24, bits: 8, hasMinimum: true, unpack: unpackQ5_1 },
  Q8_0: { ...plain, id: 8, blockBytes: 34, bits: 8, unpack: unpackQ8_0 },
  Q4_K: { ...large, id: 12, blockBytes: 144, bits: 4, unpack: unpackQ4K },
  Q5_K: { ...large, id: 13, blockBytes: 176, bits: 8, unpack: unpackQ5K },
  Q6_K: {
    ...large,
    id: 14,
    blockBytes: 210,
    groupElements: 16,
    bits: 8,

    hasMinimum: false,
    unpack: unpackQ6K,
  },
}

const word = new Uint32Array(1)
const wordAsFloat = new Float32Array(word.buffer)

/** The upper half of an IEEE single. */
function readBrainFloat(source: Buffer, at: number): number {
  word[0] = source.readUInt16LE(at) << 16
  return wordAsFloat[0] ?? 0
}
