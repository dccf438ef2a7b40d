/**
 * How many prompt tokens fit into a given time, learnt from the chunks so far. A token costs more the deeper it lies, because it attends
 * to all before it: cost = base + slope * depth, fitted by least squares to recent chunks, older ones counting less and less.
 */
export type ChunkPace = {
  /** A chunk of `count` tokens behind `depth` others took that long. */
  observe(count: number, depth: number, milliseconds: number): void
  /** Tokens behind `depth` others that take about `milliseconds`, as a real number; Infinity where they cost nothing measurable. */
  tokensWithin(milliseconds: number, depth: number): number
}

/** What a chunk still counts after the next one: the last five or so decide, since a shared machine's pace changes within seconds. */
const DECAY = 0.8
/** Before anything is known: short on any machine. */
const FIRST_TOKENS = 32

export function createChunkPace(): ChunkPace {
  // Sums over the chunks of 1, mean depth, its square, milliseconds per token, and its product with depth.
  let sum = 0
  let sumDepth = 0
  let sumDepthSquared = 0
  let sumCost = 0
  let sumDepthCost = 0

  function line(): { base: number; slope: number } {
    const mean = sumCost / sum
    const meanDepth = sumDepth / sum
    const variance = sumDepthSquared / sum - meanDepth ** 2
    const slope = variance < 1 ? 0 : (sumDepthCost / sum - meanDepth * mean) / variance
    // Noise may make deep tokens look cheap, or shallow ones free: then depth explains nothing, or everything.
    const bounded = Math.min(Math.max(slope, 0), meanDepth > 0 ? mean / meanDepth : 0)
    return { base: mean - bounded * meanDepth, slope: bounded }
  }

  return {
    observe(count, depth, milliseconds) {
      const meanDepth = depth + count / 2
      const cost = milliseconds / count
      sum = sum * DECAY + 1
      sumDepth = sumDepth * DECAY + meanDepth
      sumDepthSquared = sumDepthSquared * DECAY + meanDepth ** 2
      sumCost = sumCost * DECAY + cost
      sumDepthCost = sumDepthCost * DECAY + meanDepth * cost
    },
    tokensWithin(milliseconds, depth) {
      if (sum === 0) return FIRST_TOKENS
      const { base, slope } = line()
      const first = base + slope * depth
      if (slope === 0) return first === 0 ? Number.POSITIVE_INFINITY : milliseconds / first
      // n (base + slope (depth + n / 2)) = milliseconds, solved for n.
      return (Math.sqrt(first ** 2 + 2 * slope * milliseconds) - first) / slope
    },
  }
}
