/** Numbers between bounds as a grammar of their digits. All in decimal digits, so that what is written is within bounds exactly. */
import { anyOf } from './grammar-writer.ts'

/** Null is none; bounds are included unless they are said to be exclusive. */
export type Bounds = {
  min: number | null
  max: number | null
  isMinExclusive?: boolean
  isMaxExclusive?: boolean
}

/** Digits of a whole number without bound, and behind the point. A reader of JSON takes 15 digits exactly. */
const DIGITS_MAX = 15
const FRACTION_DIGITS_MAX = 6
const WHOLE_MAX = 10n ** BigInt(DIGITS_MAX) - 1n

/** EBNF for the whole numbers in the bounds, or null if there are none. */
export function integersBetween(bounds: Bounds): string | null {
  const { first, last } = wholeBounds(bounds)
  return wholes(first === null ? -WHOLE_MAX : clamp(BigInt(first)), last === null ? WHOLE_MAX : clamp(BigInt(last)))
}

function wholeBounds({ min, max, isMinExclusive, isMaxExclusive }: Bounds) {
  return {
    first: min === null ? null : isMinExclusive ? Math.floor(min) + 1 : Math.ceil(min),
    last: max === null ? null : isMaxExclusive ? Math.ceil(max) - 1 : Math.floor(max),
  }
}

/** The whole numbers in the bounds that are multiples; null if there are more than `most`, or none. */
export function multiplesBetween(step: number, bounds: Bounds, most: number): string[] | null {
  const whole = wholeBounds(bounds)
  if (whole.first === null || whole.last === null) return null
  const first = Math.ceil(whole.first / step)
  const last = Math.floor(whole.last / step)
  if (last < first || last - first >= most) return null
  return Array.from({ length: last - first + 1 }, (_, index) => String((first + index) * step + 0))
}

/** EBNF for the numbers in the bounds, with up to six digits behind the point or as many as the bounds have; null if there are none. */
export function numbersBetween({ min, max, isMinExclusive, isMaxExclusive }: Bounds): string | null {
  const low = min === null ? null : toScaled(min)
  const high = max === null ? null : toScaled(max)
  const digits = Math.max(FRACTION_DIGITS_MAX, low?.digits ?? 0, high?.digits ?? 0)
  if (digits > DIGITS_MAX) return null
  const unit = 10n ** BigInt(digits)
  const scale = (value: { scaled: bigint; digits: number } | null, fallback: bigint) =>
    value === null ? fallback : value.scaled * 10n ** BigInt(digits - value.digits)
  const lowest = scale(low, -WHOLE_MAX * unit) + (isMinExclusive ? 1n : 0n)
  const highest = scale(high, WHOLE_MAX * unit) - (isMaxExclusive ? 1n : 0n)
  if (lowest > highest) return null
  const parts: string[] = []
  if (lowest < 0n) {
    const magnitude = positives(highest < 0n ? -highest : 1n, -lowest, unit, digits)
    if (magnitude !== null) parts.push(`"-" ${magnitude}`)
  }
  if (highest >= 0n) parts.push(positives(lowest > 0n ? lowest : 0n, highest, unit, digits) ?? '')
  const possible = parts.filter((part) => part !== '')
  return possible.length === 0 ? null : anyOf(possible)
}

/** Decimals from low to high, both scaled by `unit` = 10^digits and not negative. */
function positives(low: bigint, high: bigint, unit: bigint, digits: number): string | null {
  if (low > high) return null
  const parts: string[] = []
  const firstWhole = low / unit
  const lastWhole = high / unit
  const edge = (whole: bigint, from: bigint, to: bigint) => {
    if (from === 0n) parts.push(`"${whole}"`)
    const fraction = fractions(from, to, digits)
    if (fraction !== null) parts.push(`"${whole}." ${fraction}`)
  }
  if (firstWhole === lastWhole) {
    edge(firstWhole, low % unit, high % unit)
  } else {
    const isWholeFirst = low % unit === 0n
    if (!isWholeFirst) edge(firstWhole, low % unit, unit - 1n)
    const inner = wholes(isWholeFirst ? firstWhole : firstWhole + 1n, lastWhole - 1n)
    if (inner !== null) parts.push(`${inner} ("." [0-9]{1,${digits}})?`)
    edge(lastWhole, 0n, high % unit)
  }
  return parts.length === 0 ? null : anyOf(parts)
}

/** Exactly `digits` digits, between two numbers of at most so many. Those that end in zeros may leave them out where that is one digit left. */
function fractions(from: bigint, to: bigint, digits: number): string | null {
  if (from > to) return null
  const pad = (value: bigint) => value.toString().padStart(digits, '0')
  if (from === 0n && to === 10n ** BigInt(digits) - 1n) return `[0-9]{1,${digits}}`
  return between(pad(from), pad(to))
}

function wholes(low: bigint, high: bigint): string | null {
  if (low > high) return null
  const parts: string[] = []
  if (low < 0n) {
    const magnitude = notNegative(high < 0n ? -high : 1n, -low)
    if (magnitude !== null) parts.push(`"-" ${magnitude}`)
  }
  if (high >= 0n) parts.push(notNegative(low > 0n ? low : 0n, high) ?? '')
  const possible = parts.filter((part) => part !== '')
  return possible.length === 0 ? null : anyOf(possible)
}

/** By number of digits, no leading zeros. */
function notNegative(low: bigint, high: bigint): string | null {
  const parts: string[] = []
  for (let length = low.toString().length; length <= high.toString().length; length++) {
    const shortest = length === 1 ? 0n : 10n ** BigInt(length - 1)
    const longest = 10n ** BigInt(length) - 1n
    const from = low > shortest ? low : shortest
    const to = high < longest ? high : longest
    if (from <= to) parts.push(between(from.toString(), to.toString()))
  }
  return parts.length === 0 ? null : anyOf(parts)
}

/** Digit strings of one length between two of that length, in the order of numbers. */
function between(from: string, to: string): string {
  if (from === to) return `"${from}"`
  const first = Number(from[0])
  const last = Number(to[0])
  const rest = from.length - 1
  if (rest === 0) return digit(first, last)
  const restFrom = from.slice(1)
  const restTo = to.slice(1)
  if (first === last) return `"${first}" ${between(restFrom, restTo)}`
  const isFull = (text: string, filler: string) => text === filler.repeat(rest)
  const parts: string[] = []
  const low = isFull(restFrom, '0') ? first : first + 1
  const high = isFull(restTo, '9') ? last : last - 1
  if (low !== first) parts.push(`"${first}" ${between(restFrom, '9'.repeat(rest))}`)
  if (low <= high) parts.push(`${digit(low, high)} [0-9]{${rest},${rest}}`)
  if (high !== last) parts.push(`"${last}" ${between('0'.repeat(rest), restTo)}`)
  return anyOf(parts)
}

const digit = (first: number, last: number) => (first === last ? `"${first}"` : `[${first}-${last}]`)

const clamp = (value: bigint) => (value > WHOLE_MAX ? WHOLE_MAX : value < -WHOLE_MAX ? -WHOLE_MAX : value)

/** A number's shortest decimal as a whole number and how many of its digits stand behind the point. */
function toScaled(value: number): { scaled: bigint; digits: number } {
  if (Math.abs(value) > Number(WHOLE_MAX)) return { scaled: value < 0 ? -WHOLE_MAX : WHOLE_MAX, digits: 0 }
  const [mantissa = '0', exponent = '0'] = value.toExponential().split('e')
  const [whole = '0', fraction = ''] = mantissa.split('.')
  const shift = Number(exponent) - fraction.length
  const scaled = BigInt(whole + fraction)
  return shift >= 0 ? { scaled: scaled * 10n ** BigInt(shift), digits: 0 } : { scaled, digits: -shift }
}
