/**
 * Random matrices in GGUF's number formats. The values are computed from the numbers that are put into each block, by the formulas of
 * ggml-quants.c, and never read back from bytes: so they are independent of the importer's reading.
 */

export const SYNTHETIC_TYPES = [
  'F32',
  'F16',
  'BF16',
  'Q4_0',
  'Q4_1',
  'Q5_0',
  'Q5_1',
  'Q8_0',
  'Q4_K',
  'Q5_K',
  'Q6_K',
] as const
export type SyntheticType = (typeof SYNTHETIC_TYPES)[number]

/** From 0 to 1, exclusive. Numerical Recipes' generator: good enough for weights. */
export type Random = () => number

export function seededRandom(seed: number): Random {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

type Block = { bytes: Buffer; values: number[] }
type Format = { typeId: number; elements: number; make: (scale: number, shift: number, random: Random) => Block }

export function randomMatrix(
  type: SyntheticType,
  rows: number,
  columns: number,
  scale: number,
  shift: number,
  random: Random,
) {
  const { typeId, elements, make } = FORMATS[type]
  const values = new Float64Array(rows * columns)
  const parts: Buffer[] = []
  for (let at = 0; at < values.length; at += elements) {
    const block = make(scale, shift, random)
    values.set(block.values, at)
    parts.push(block.bytes)
  }
  return { typeId, values, bytes: Buffer.concat(parts) }
}

/** Values of a float format are made by this many: no row here is shorter. */
const RUN = 32

/** Values are about `scale` wide around `shift`; only the float formats take a shift, for norms. */
const FORMATS: Record<SyntheticType, Format> = {
  F32: { typeId: 0, elements: RUN, make: (scale, shift, random) => makeRun(4, random, writeFloat, scale, shift) },
  F16: { typeId: 1, elements: RUN, make: (scale, shift, random) => makeRun(2, random, writeHalf, scale, shift) },
  BF16: {
    typeId: 30,
    elements: RUN,
    make: (scale, shift, random) => makeRun(2, random, writeBrainFloat, scale, shift),
  },
  Q4_0: { typeId: 2, elements: 32, make: (scale, _, random) => makeSmall(scale, random, { levels: 16, zero: 8 }) },
  Q4_1: { typeId: 3, elements: 32, make: (scale, _, random) => makeSmall(scale, random, { levels: 16, zero: null }) },
  Q5_0: { typeId: 6, elements: 32, make: (scale, _, random) => makeSmall(scale, random, { levels: 32, zero: 16 }) },
  Q5_1: { typeId: 7, elements: 32, make: (scale, _, random) => makeSmall(scale, random, { levels: 32, zero: null }) },
  Q8_0: { typeId: 8, elements: 32, make: (scale, _, random) => makeQ8(scale, random) },
  Q4_K: { typeId: 12, elements: 256, make: (scale, _, random) => makeLarge(scale, random, 16) },
  Q5_K: { typeId: 13, elements: 256, make: (scale, _, random) => makeLarge(scale, random, 32) },
  Q6_K: { typeId: 14, elements: 256, make: (scale, _, random) => makeQ6(scale, random) },
}

/** A run of values of one of the float formats. */
function makeRun(
  bytesEach: number,
  random: Random,
  write: (bytes: Buffer, at: number, value: number) => number,
  scale: number,
  shift: number,
): Block {
  const bytes = Buffer.alloc(RUN * bytesEach)
  const values = Array.from({ length: RUN }, (_, i) => write(bytes, i * bytesEach, shift + scale * (random() - 0.5)))
  return { bytes, values }
}

function writeFloat(bytes: Buffer, at: number, value: number): number {
  bytes.writeFloatLE(value, at)
  return Math.fround(value)
}

/** Towards zero: the upper half of the float. */
function writeBrainFloat(bytes: Buffer, at: number, value: number): number {
  const whole = new DataView(new ArrayBuffer(4))
  whole.setFloat32(0, value)
  bytes.writeUInt16LE(whole.getUint16(0), at)
  whole.setUint16(2, 0)
  return whole.getFloat32(0)
}

function writeHalf(bytes: Buffer, at: number, value: number): number {
  const { bits, exact } = toHalf(value)
  bytes.writeUInt16LE(bits, at)
  return exact
}

/** The half towards zero from a value of 2^-14 to 65,504; smaller ones as multiples of 2^-24. */
function toHalf(value: number): { bits: number; exact: number } {
  const sign = value < 0 ? 0x8000 : 0
  const size = Math.abs(value)
  const exponent = Math.max(-15, Math.floor(Math.log2(size)))
  const isSmall = exponent < -14
  const fraction = Math.floor(isSmall ? size * 2 ** 24 : (size / 2 ** exponent - 1) * 1024)
  const exact = isSmall ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** exponent
  return { bits: sign | ((isSmall ? 0 : exponent + 15) << 10) | fraction, exact: value < 0 ? -exact : exact }
}

function half(bits: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(bits)
  return bytes
}

function integers(count: number, below: number, random: Random): number[] {
  return Array.from({ length: count }, () => Math.floor(random() * below))
}

/** q + 16 in the upper half of the byte of q. */
function nibbles(q: readonly number[]): Buffer {
  return Buffer.from(Array.from({ length: 16 }, (_, i) => ((q[i] ?? 0) & 15) | (((q[i + 16] ?? 0) & 15) << 4)))
}

function makeSmall(scale: number, random: Random, { levels, zero }: { levels: 16 | 32; zero: number | null }): Block {
  const d = toHalf((scale * (0.5 + random())) / levels)
  const minimum = toHalf(-scale * (0.3 + 0.4 * random()))
  const q = integers(32, levels, random)
  const fifth = Buffer.alloc(levels === 32 ? 4 : 0)
  if (levels === 32) fifth.writeUInt32LE(q.reduce((bits, value, i) => bits + (value >= 16 ? 2 ** i : 0), 0))
  const head = zero === null ? [half(d.bits), half(minimum.bits)] : [half(d.bits)]
  const values = q.map((value) => (zero === null ? value * d.exact + minimum.exact : (value - zero) * d.exact))
  return { bytes: Buffer.concat([...head, fifth, nibbles(q)]), values }
}

function makeQ8(scale: number, random: Random): Block {
  const d = toHalf((scale * (0.5 + random())) / 256)
  const q = integers(32, 256, random).map((value) => value - 128)
  return {
    bytes: Buffer.concat([half(d.bits), Buffer.from(Int8Array.from(q).buffer)]),
    values: q.map((value) => value * d.exact),
  }
}

/** Q4_K and Q5_K: eight groups of 32. */
function makeLarge(scale: number, random: Random, levels: 16 | 32): Block {
  const d = toHalf((scale * (0.5 + random())) / levels / 32)
  const dmin = toHalf((scale * (0.5 + random())) / 64)
  const scales = integers(8, 64, random)
  const minimums = integers(8, 64, random)
  const q = integers(256, levels, random)
  const packed = Buffer.alloc(12)
  for (let group = 0; group < 4; group++) {
    packed[group] = (scales[group] ?? 0) | (((scales[group + 4] ?? 0) >> 4) << 6)
    packed[group + 4] = (minimums[group] ?? 0) | (((minimums[group + 4] ?? 0) >> 4) << 6)
    packed[group + 8] = ((scales[group + 4] ?? 0) & 15) | (((minimums[group + 4] ?? 0) & 15) << 4)
  }
  const fifth = Buffer.alloc(levels === 32 ? 32 : 0)
  const low = Buffer.alloc(128)
  q.forEach((value, element) => {
    const group = element >> 5
    const i = element & 31
    low[(group >> 1) * 32 + i] = (low[(group >> 1) * 32 + i] ?? 0) | ((value & 15) << ((group & 1) * 4))
    if (value >= 16) fifth[i] = (fifth[i] ?? 0) | (1 << group)
  })
  const values = q.map((value, element) => {
    const group = element >> 5
    return d.exact * (scales[group] ?? 0) * value - dmin.exact * (minimums[group] ?? 0)
  })
  return { bytes: Buffer.concat([half(d.bits), half(dmin.bits), packed, fifth, low]), values }
}

/** Sixteen groups of 16. */
function makeQ6(scale: number, random: Random): Block {
  const d = toHalf((scale * (0.5 + random())) / 64 / 64)
  const scales = integers(16, 256, random).map((value) => value - 128)
  const q = integers(256, 64, random)
  const low = Buffer.alloc(128)
  const high = Buffer.alloc(64)
  q.forEach((value, element) => {
    const part = element >> 7
    const quarter = (element >> 5) & 3
    const i = element & 31
    const lowAt = part * 64 + (quarter & 1) * 32 + i
    low[lowAt] = (low[lowAt] ?? 0) | ((value & 15) << ((quarter >> 1) * 4))
    high[part * 32 + i] = (high[part * 32 + i] ?? 0) | ((value >> 4) << (quarter * 2))
  })
  const values = q.map((value, element) => d.exact * (scales[element >> 4] ?? 0) * (value - 32))
  return { bytes: Buffer.concat([low, high, Buffer.from(Int8Array.from(scales).buffer), half(d.bits)]), values }
}
