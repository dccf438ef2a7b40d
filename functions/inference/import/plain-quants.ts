/** Blocks of 32 elements with one scale, and for the _1 formats one minimum: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0. */
import type { Unpack } from './ggml-types.ts'
import { halfToFloat } from './half-float.ts'

const ELEMENTS = 32
/** What ONNX Runtime takes off integers of 4 and of 8 bits. */
const CENTRE_4 = 8
const CENTRE_8 = 128
/** The middle of integers of 5 bits, which are stored in 8. */
const MIDDLE_5 = 16

/** Scale, 16 bytes of nibbles. */
export const unpackQ4_0: Unpack = (source, at, out, block) => {
  out.scales[block] = halfToFloat(source.readUInt16LE(at))
  interleaveNibbles(source, at + 2, out.integers, block * 16)
}

/** Scale, minimum, nibbles. */
export const unpackQ4_1: Unpack = (source, at, out, block) => {
  const scale = halfToFloat(source.readUInt16LE(at))
  out.scales[block] = scale
  out.minimums[block] = halfToFloat(source.readUInt16LE(at + 2)) + CENTRE_4 * scale
  interleaveNibbles(source, at + 4, out.integers, block * 16)
}

/** Scale, the fifth bits of all elements, nibbles. */
export const unpackQ5_0: Unpack = (source, at, out, block) => {
  out.scales[block] = halfToFloat(source.readUInt16LE(at))
  joinFifthBits(source, at + 2, out.integers, block * ELEMENTS)
}

/** Scale, minimum, fifth bits, nibbles. */
export const unpackQ5_1: Unpack = (source, at, out, block) => {
  const scale = halfToFloat(source.readUInt16LE(at))
  out.scales[block] = scale
  out.minimums[block] = halfToFloat(source.readUInt16LE(at + 2)) + MIDDLE_5 * scale
  joinFifthBits(source, at + 4, out.integers, block * ELEMENTS)
}

/** Scale, 32 signed bytes. */
export const unpackQ8_0: Unpack = (source, at, out, block) => {
  out.scales[block] = halfToFloat(source.readUInt16LE(at))
  for (let i = 0; i < ELEMENTS; i++) out.integers[block * ELEMENTS + i] = source.readInt8(at + 2 + i) + CENTRE_8
}

/** A GGUF byte holds elements i and i + 16, an ONNX Runtime byte elements 2i and 2i + 1. */
function interleaveNibbles(source: Buffer, at: number, out: Uint8Array, outAt: number): void {
  for (let i = 0; i < 8; i++) {
    const first = byteAt(source, at + 2 * i)
    const second = byteAt(source, at + 2 * i + 1)
    out[outAt + i] = (first & 15) | ((second & 15) << 4)
    out[outAt + 8 + i] = (first >> 4) | (second & 0xf0)
  }
}

/** Integers of 5 bits, moved from their middle to the centre. */
function joinFifthBits(source: Buffer, at: number, out: Uint8Array, outAt: number): void {
  const fifth = source.readUInt32LE(at)
  for (let i = 0; i < 16; i++) {
    const byte = byteAt(source, at + 4 + i)
    out[outAt + i] = ((byte & 15) | (((fifth >>> i) & 1) << 4)) + CENTRE_8 - MIDDLE_5
    out[outAt + 16 + i] = ((byte >> 4) | (((fifth >>> (i + 16)) & 1) << 4)) + CENTRE_8 - MIDDLE_5
  }
}

/** Callers pass whole blocks, so the byte is always there. */
function byteAt(source: Buffer, at: number): number {
  return source[at] ?? 0
}
