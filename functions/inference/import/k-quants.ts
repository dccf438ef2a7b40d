/**
 * Blocks of 256 elements in groups with scales of their own: Q4_K, Q5_K, Q6_K. A group's scale is the product of the block's half
 * and the group's small integer; such a product is exact in fp32.
 */
import type { Unpack, UnpackedBlocks } from './ggml-types.ts'
import { halfToFloat } from './half-float.ts'

const ELEMENTS = 256
const GROUPS_OF_32 = 8
/** What ONNX Runtime takes off integers of 4 and of 8 bits. */
const CENTRE_4 = 8
const CENTRE_8 = 128
/** The middles of integers of 5 and 6 bits, which are stored in 8. */
const MIDDLE_5 = 16
const MIDDLE_6 = 32

/** Scale, scale of minimums, 12 bytes of 6-bit pairs, 128 bytes of nibbles: of each 32 bytes the low halves are one group, the high halves the next. */
export const unpackQ4K: Unpack = (source, at, out, block) => {
  readGroupScales(source, at, out, block, CENTRE_4)
  for (let group = 0; group < GROUPS_OF_32; group++) {
    const nibbles = at + 16 + (group >> 1) * 32
    const shift = (group & 1) * 4
    const outAt = block * (ELEMENTS / 2) + group * 16
    for (let i = 0; i < 16; i++) {
      const first = (byteAt(source, nibbles + 2 * i) >> shift) & 15
      const second = (byteAt(source, nibbles + 2 * i + 1) >> shift) & 15
      out.integers[outAt + i] = first | (second << 4)
    }
  }
}

/** The same with 32 bytes of fifth bits before the nibbles; bit g of byte i belongs to element i of group g. */
export const unpackQ5K: Unpack = (source, at, out, block) => {
  readGroupScales(source, at, out, block, MIDDLE_5)
  for (let group = 0; group < GROUPS_OF_32; group++) {
    const nibbles = at + 48 + (group >> 1) * 32
    const shift = (group & 1) * 4
    for (let i = 0; i < 32; i++) {
      const fifth = (byteAt(source, at + 16 + i) >> group) & 1
      const integer = ((byteAt(source, nibbles + i) >> shift) & 15) | (fifth << 4)
      out.integers[block * ELEMENTS + group * 32 + i] = integer + CENTRE_8 - MIDDLE_5
    }
  }
}

/** 128 bytes of nibbles, 64 bytes of upper bit pairs, 16 signed group scales, scale. Each half of 128 elements has 64 and 32 of the bytes. */
export const unpackQ6K: Unpack = (source, at, out, block) => {
  const scale = halfToFloat(source.readUInt16LE(at + 208))
  for (let group = 0; group < 16; group++) {
    out.scales[block * 16 + group] = scale * source.readInt8(at + 192 + group)
  }
  for (let half = 0; half < 2; half++) {
    for (let quarter = 0; quarter < 4; quarter++) {
      const nibbles = at + half * 64 + (quarter & 1) * 32
      const pairs = at + 128 + half * 32
      const outAt = block * ELEMENTS + half * 128 + quarter * 32
      for (let i = 0; i < 32; i++) {
        const low = (byteAt(source, nibbles + i) >> ((quarter >> 1) * 4)) & 15
        const high = (byteAt(source, pairs + i) >> (quarter * 2)) & 3
        out.integers[outAt + i] = (low | (high << 4)) + CENTRE_8 - MIDDLE_6
      }
    }
  }
}

/** Eight pairs of 6 bits in 12 bytes: the first four lie whole in bytes 0-7, the upper two bits of the others above them, the rest in bytes 8-11. `middle` moves to the centre. */
function readGroupScales(source: Buffer, at: number, out: UnpackedBlocks, block: number, middle: number): void {
  const scale = halfToFloat(source.readUInt16LE(at))
  const minimumScale = halfToFloat(source.readUInt16LE(at + 2))
  const packed = (index: number) => byteAt(source, at + 4 + index)
  for (let group = 0; group < GROUPS_OF_32; group++) {
    const isWhole = group < 4
    const groupScale = isWhole ? packed(group) & 63 : (packed(group + 4) & 15) | ((packed(group - 4) >> 6) << 4)
    const groupMinimum = isWhole ? packed(group + 4) & 63 : (packed(group + 4) >> 4) | ((packed(group) >> 6) << 4)
    out.scales[block * GROUPS_OF_32 + group] = scale * groupScale
    out.minimums[block * GROUPS_OF_32 + group] = middle * scale * groupScale - minimumScale * groupMinimum
  }
}

/** Callers pass whole blocks, so the byte is always there. */
function byteAt(source: Buffer, at: number): number {
  return source[at] ?? 0
}
