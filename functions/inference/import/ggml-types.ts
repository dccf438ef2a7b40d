/**
 * The number formats of GGUF weights that can be imported, and how each becomes a form that ONNX Runtime computes with exactly.
 * Layouts: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h and ggml-quants.c.
 *
 * A quantised format is written as integers `q`, a scale per block and either a zero point or a minimum per block:
 * `w = scale * (q - zeroPoint)` or `w = scale * q + minimum`. MatMulNBits has no minimum, and a zero point rounded to 4 bits ruins the model
 * (perplexity 19.6 instead of 14.9), so the minimum is added by the graph (llama-graph.ts) from the sums of the activations over each block.
 */
import { halfToFloat } from './half-float.ts'

export type GgmlType = 'F32' | 'F16' | 'BF16' | 'Q4_0' | 'Q4_1' | 'Q8_0'

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
  blockElements: number
  blockBytes: number
  /** Bits of an integer in MatMulNBits and GatherBlockQuantized; two of 4 bits share a byte, the earlier in the low half. */
  bits: 4 | 8
  zeroPoint: number
  hasMinimum: boolean
  /** Bytes at `source[at]` to integers at `out.integers[block * blockElements * bits / 8]`, and the block's scale and minimum. */
  unpack(source: Buffer, at: number, out: UnpackedBlocks, block: number): void
}

export type UnpackedBlocks = { integers: Uint8Array; scales: Float32Array; minimums: Float32Array }

export const GGML_TYPES: Record<GgmlType, FloatFormat | BlockFormat> = {
  F32: { kind: 'float', id: 0, blockElements: 1, blockBytes: 4, read: (source, at) => source.readFloatLE(at) },
  F16: {
    kind: 'float',
    id: 1,
    blockElements: 1,
    blockBytes: 2,
    read: (source, at) => halfToFloat(source.readUInt16LE(at)),
  },
  BF16: { kind: 'float', id: 30, blockElements: 1, blockBytes: 2, read: readBrainFloat },
  Q4_0: {
    kind: 'blocks',
    id: 2,
    blockElements: 32,
    blockBytes: 18,
    bits: 4,
    zeroPoint: 8,
    hasMinimum: false,
    unpack(source, at, out, block) {
      out.scales[block] = halfToFloat(source.readUInt16LE(at))
      interleaveNibbles(source, at + 2, out.integers, block * 16)
    },
  },
  Q4_1: {
    kind: 'blocks',
    id: 3,
    blockElements: 32,
    blockBytes: 20,
    bits: 4,
    zeroPoint: 0,
    hasMinimum: true,
    unpack(source, at, out, block) {
      out.scales[block] = halfToFloat(source.readUInt16LE(at))
      out.minimums[block] = halfToFloat(source.readUInt16LE(at + 2))
      interleaveNibbles(source, at + 4, out.integers, block * 16)
    },
  },
  Q8_0: {
    kind: 'blocks',
    id: 8,
    blockElements: 32,
    blockBytes: 34,
    bits: 8,
    zeroPoint: 128,
    hasMinimum: false,
    unpack(source, at, out, block) {
      out.scales[block] = halfToFloat(source.readUInt16LE(at))
      // Adding 128 to a signed byte is flipping its sign bit.
      for (let i = 0; i < 32; i++) out.integers[block * 32 + i] = (source[at + 2 + i] ?? 0) ^ 0x80
    },
  },
}

/** A GGUF byte holds elements i and i + 16 of its block, an ONNX Runtime byte elements 2i and 2i + 1. */
function interleaveNibbles(source: Buffer, at: number, out: Uint8Array, outAt: number): void {
  for (let i = 0; i < 8; i++) {
    const first = source[at + 2 * i] ?? 0
    const second = source[at + 2 * i + 1] ?? 0
    out[outAt + i] = (first & 15) | ((second & 15) << 4)
    out[outAt + 8 + i] = (first >> 4) | (second & 0xf0)
  }
}

const word = new Uint32Array(1)
const wordAsFloat = new Float32Array(word.buffer)

/** The upper half of an IEEE single. */
function readBrainFloat(source: Buffer, at: number): number {
  word[0] = source.readUInt16LE(at) << 16
  return wordAsFloat[0] ?? 0
}
