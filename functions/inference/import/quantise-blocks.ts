/**
 * Rounds weights to GGUF's simplest blocks of 32: Q8_0 (an int8 each, one scale) and Q4_1 (4 bits each, a scale and a minimum).
 * Unlike ggml's, integers are chosen for the scale as it is stored, in half precision, and not as it was before it was rounded to that.
 */
import { floatToHalf, halfToFloat } from './half-float.ts'

const ELEMENTS = 32
const LEVELS_4 = 15
const LARGEST_8 = 127
/** Refits of scale and minimum to the integers: beyond four nothing is gained on real weights. */
const REFITS_MAX = 4

/** Writes the block of `values[at]` and the 31 behind it to `out[outAt]`. */
export type QuantiseBlock = (values: Float32Array, at: number, out: Buffer, outAt: number) => void

export const quantiseQ8_0: QuantiseBlock = (values, at, out, outAt) => {
  let largest = 0
  for (let i = 0; i < ELEMENTS; i++) largest = Math.max(largest, Math.abs(values[at + i] ?? 0))
  const bits = floatToHalf(largest / LARGEST_8)
  const scale = halfToFloat(bits)
  out.writeUInt16LE(bits, outAt)
  for (let i = 0; i < ELEMENTS; i++) {
    const q = scale === 0 ? 0 : Math.round((values[at + i] ?? 0) / scale)
    out.writeInt8(Math.max(-LARGEST_8, Math.min(LARGEST_8, q)), outAt + 2 + i)
  }
}

/** What a block of Q4_1 is made of; scale and minimum as the bits of halves. */
type Fit = { scale: number; minimum: number; q: Uint8Array; error: number }

/**
 * The range of the values is where it starts. Then scale and minimum are the least squares for the integers, and integers the nearest for those, as
 * long as the error falls: a single outlier costs the others less.
 */
export const quantiseQ4_1: QuantiseBlock = (values, at, out, outAt) => {
  let least = Number.POSITIVE_INFINITY
  let most = Number.NEGATIVE_INFINITY
  for (let i = 0; i < ELEMENTS; i++) {
    least = Math.min(least, values[at + i] ?? 0)
    most = Math.max(most, values[at + i] ?? 0)
  }
  let best = nearest(values, at, floatToHalf((most - least) / LEVELS_4), floatToHalf(least))
  for (let refit = 0; refit < REFITS_MAX && best.error > 0; refit++) {
    const line = leastSquares(values, at, best.q)
    if (!line) break
    const next = nearest(values, at, floatToHalf(line.scale), floatToHalf(line.minimum))
    if (!(next.error < best.error)) break
    best = next
  }
  out.writeUInt16LE(best.scale, outAt)
  out.writeUInt16LE(best.minimum, outAt + 2)
  for (let i = 0; i < ELEMENTS / 2; i++) {
    out.writeUInt8((best.q[i] ?? 0) | ((best.q[i + ELEMENTS / 2] ?? 0) << 4), outAt + 4 + i)
  }
}

function nearest(values: Float32Array, at: number, scaleBits: number, minimumBits: number): Fit {
  const scale = halfToFloat(scaleBits)
  const minimum = halfToFloat(minimumBits)
  const q = new Uint8Array(ELEMENTS)
  let error = 0
  for (let i = 0; i < ELEMENTS; i++) {
    const value = values[at + i] ?? 0
    const level = scale === 0 ? 0 : Math.max(0, Math.min(LEVELS_4, Math.round((value - minimum) / scale)))
    q[i] = level
    error += (value - minimum - scale * level) ** 2
  }
  return { scale: scaleBits, minimum: minimumBits, q, error }
}

/** Null where all integers are the same, or the line would not rise. */
function leastSquares(values: Float32Array, at: number, q: Uint8Array): { scale: number; minimum: number } | null {
  let sumQ = 0
  let sumQQ = 0
  let sumX = 0
  let sumQX = 0
  for (let i = 0; i < ELEMENTS; i++) {
    const level = q[i] ?? 0
    const value = values[at + i] ?? 0
    sumQ += level
    sumQQ += level * level
    sumX += value
    sumQX += level * value
  }
  const spread = ELEMENTS * sumQQ - sumQ * sumQ
  if (spread === 0) return null
  const scale = (ELEMENTS * sumQX - sumQ * sumX) / spread
  return scale > 0 ? { scale, minimum: (sumX - scale * sumQ) / ELEMENTS } : null
}
