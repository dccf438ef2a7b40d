/**
 * exp and ln that give the same bits on every machine. ECMAScript leaves the last bits of Math.exp and Math.log to the
 * implementation; here every step is an IEEE operation that the language defines exactly, so that two replicas draw the same token.
 */

const LN2_HIGH = 0.6931471803691238
const LN2_LOW = 1.9082149292705877e-10

const bits = new Float64Array(1)
const words = new Uint32Array(bits.buffer)
/** Float64Array lies in memory as the machine likes it: find the word that holds sign and exponent. */
bits[0] = 1
const HIGH = words[1] === 0x3ff00000 ? 1 : 0

const EXP_STEPS_PER_UNIT = 64
/** e^(-1/64). */
const EXP_STEP = 0.9844964370054085
/** Where exp is defined: 0 down to this. */
export const EXP_LOWEST = -24

/** e^(-n/64), by multiplication alone. */
const powers = new Float64Array(-EXP_LOWEST * EXP_STEPS_PER_UNIT + 1).fill(1)
for (let n = 1; n < powers.length; n++) powers[n] = (powers[n - 1] ?? 0) * EXP_STEP

/** e^x for -24 <= x <= 0, relative error below 1e-12, exactly 1 at 0: the nearest of the powers, and a Taylor series for the rest. */
export function exp(x: number): number {
  const n = Math.round(x * EXP_STEPS_PER_UNIT)
  const r = x - n / EXP_STEPS_PER_UNIT
  return (powers[-n] ?? 0) * (1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24)))))
}

/**
 * ln x for normal x > 0, within an ulp or so. After e_log.c of fdlibm (Sun Microsystems, 1993):
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
