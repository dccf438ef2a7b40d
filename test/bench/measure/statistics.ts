/** Numbers out of repeated measurements. Medians, because a shared machine's disturbances are rare and large. */

/** Throws on an empty list: a figure that was never measured must not be printed as one. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)]
  const lower = sorted[Math.ceil(sorted.length / 2) - 1]
  if (upper === undefined || lower === undefined) throw new Error('The median of no values.')
  return (lower + upper) / 2
}

/**
 * The median of the ratios of values that were measured side by side (one pair per alternation), not the ratio of the medians:
 * what slows the machine for a minute slows both of a pair.
 */
export function medianRatio(values: readonly number[], bases: readonly number[]): number {
  if (values.length !== bases.length) throw new Error(`${values.length} values beside ${bases.length} bases.`)
  return median(values.map((value, index) => value / (bases[index] ?? Number.NaN)))
}

/** Half the width of the middle half over the median: 0.1 means that half of the measurements lay within about 10 %. */
export function relativeSpread(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN
  return (at(0.75) - at(0.25)) / 2 / median(values)
}

/** To that many digits that mean something; whole numbers stay whole. */
export function round(value: number, digits = 3): number {
  return value >= 10 ** digits ? Math.round(value) : Number(value.toPrecision(digits))
}
