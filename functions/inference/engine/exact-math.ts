/**
 * exp and ln that give the same bits on every machine. ECMAScript leaves the last bits of Math.exp and Math.log to the
 * implementation; here every step is an IEEE operation that the language defines exactly, so that two replicas draw the same token.
 */

const LN2_HIGH = 0.6931471803691238
const LN2_LOW = 1.9082149292705877e-10
const LOG2_E = Math.LOG2E
/** Below this exp is taken to be 0: no softmax of doubles can see it. */
const EXP_LOWEST = -700

const bits = new Float64Array(1)
const words = new Uint32Array(bits.buffer)
/** Float64Array lies in memory as the machine likes it: find the word that holds sign and exponent. */
bits[0] = 1
const HIGH = words[1] === 0x3ff00000 ? 1 : 0

/** 2^n for the normal range. */
const POWER_OFFSET = 1_022
const powers = Float64Array.from({ length: 2 * POWER_OFFSET + 1 }, (_, index) => 2 ** (index - POWER_OFFSET))

/** e^x for x <= 0, relative error below 1e-15; exactly 1 at 0; 0 below -700. */
export function exp(x: number): number {
  if (x < EXP_LOWEST) return 0
  const n = Math.round(x * LOG2_E)
  const r = x - n * LN2_HIGH - n * LN2_LOW
  // The Taylor series on |r| <= ln 2 / 2: its thirteenth term is below 2^-54.
  let sum = 1 / 6227020800
  sum = sum * r + 1 / 479001600
  sum = sum * r + 1 / 39916800
  sum = sum * r + 1 / 3628800
  sum = sum * r + 1 / 362880
  sum = sum * r + 1 / 40320
  sum = sum * r + 1 / 5040
  sum = sum * r + 1 / 720
  sum = sum * r + 1 / 120
  sum = sum * r + 1 / 24
  sum = sum * r + 1 / 6
  sum = sum * r + 0.5
  sum = sum * r + 1
  sum = sum * r + 1
  return sum * (powers[n + POWER_OFFSET] ?? 0)
}

/**
 * ln x for normal x > 0, relative error below 2e-16 or so. After e_log.c of fdlibm (Sun Microsystems, 1993):
 * x = 2^k (1 + f), s = f / (2 + f), ln(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2)).
 */
export function ln(x: number): number {
  bits[0] = x
  let high = words[HIGH] ?? 0
  let k = (high >>> 20) - 1023
  high &= 0x000fffff
  const shift = (high + 0x95f64) & 0x100000
  words[HIGH] = high | (shift ^ 0x3ff00000)
  k += shift >>> 20
  const f = (bits[0] ?? 0) - 1
  const s = f / (2 + f)
  const z = s * s
  const w = z * z
  const odd = w * (0.3999999999940942 + w * (0.22222198432149784 + w * 0.15313837699209373))
  const even = z * (0.6666666666666735 + w * (0.2857142874366239 + w * (0.1818357216161805 + w * 0.14798198605116586)))
  const half = 0.5 * f * f
  return k * LN2_HIGH - (half - (s * (half + odd + even) + k * LN2_LOW) - f)
}
