/** Cuts a batch into runs of rows of about the same length, so that little of the work is padding. Pure. */

export type SplitOptions = {
  /** What a run costs beside its tokens, in tokens. */
  runCostTokens: number
  /** Padding included; a single row may be longer. */
  runTokensMax: number
}

/**
 * The cheapest way: a run of rows costs as many tokens as its longest row times their number, and `runCostTokens`. Rows of a run are
 * neighbours when sorted by length, so it is a shortest path over the sorted rows; with 32 of them, a few hundred comparisons.
 * @returns indices into `lengths`, each once
 */
export function splitBatch(lengths: readonly number[], { runCostTokens, runTokensMax }: SplitOptions): number[][] {
  const order = [...lengths.keys()].sort((one, other) => (lengths[one] ?? 0) - (lengths[other] ?? 0))
  /** best[end]: the cheapest way for the first `end` rows, and where its last run begins. */
  const best: { cost: number; from: number }[] = [{ cost: 0, from: 0 }]
  for (let end = 1; end <= order.length; end++) {
    const longest = lengths[order[end - 1] ?? 0] ?? 0
    let cheapest = { cost: Number.POSITIVE_INFINITY, from: end - 1 }
    for (let from = end - 1; from >= 0; from--) {
      const tokens = longest * (end - from)
      if (tokens > runTokensMax && from < end - 1) break
      const cost = (best[from]?.cost ?? 0) + runCostTokens + tokens
      if (cost < cheapest.cost) cheapest = { cost, from }
    }
    best[end] = cheapest
  }
  const runs: number[][] = []
  for (let end = order.length; end > 0; end = best[end]?.from ?? 0) runs.unshift(order.slice(best[end]?.from ?? 0, end))
  return runs
}
