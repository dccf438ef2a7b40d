import { expect, test } from 'vitest'
import { splitBatch } from '../../../functions/inference/embedding/split-batch.ts'

const OPTIONS = { runCostTokens: 12, runTokensMax: 64 }

const costOf = (lengths: readonly number[], runs: readonly number[][]) =>
  runs.reduce((sum, run) => sum + 12 + run.length * Math.max(...run.map((index) => lengths[index] ?? 0)), 0)

/** The cheapest of all ways to cut the sorted rows. */
function cheapest(lengths: readonly number[]): number {
  const sorted = lengths.toSorted((one, other) => one - other)
  const costs = Array.from({ length: 2 ** Math.max(0, sorted.length - 1) }, (_, cuts) => {
    const runs: number[][] = [[]]
    for (const [at, length] of sorted.entries()) {
      runs.at(-1)?.push(length)
      if ((cuts >> at) & 1) runs.push([])
    }
    const used = runs.filter((run) => run.length > 0)
    const fits = used.every((run) => run.length === 1 || run.length * Math.max(...run) <= OPTIONS.runTokensMax)
    return fits ? used.reduce((sum, run) => sum + 12 + run.length * Math.max(...run), 0) : Number.POSITIVE_INFINITY
  })
  return Math.min(...costs)
}

test.each([
  [[], []],
  [[5], [[0]]],
  [[100], [[0]]],
  // Padding 4 rows by one token is cheaper than a run of their own, padding one by 20 is not.
  [[7, 7, 8, 7, 7], [[0, 1, 3, 4, 2]]],
  [
    [28, 8, 8],
    [[1, 2], [0]],
  ],
  // Together they would be longer than a run may be.
  [
    [40, 40],
    [[0], [1]],
  ],
])('rows of %j tokens', (lengths, runs) => {
  expect(splitBatch(lengths, OPTIONS)).toEqual(runs)
})

test('every row is in one run, no run is too long, and no other way is cheaper', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const lengths = Array.from({ length: seed % 10 }, (_, at) => 1 + ((seed * 7_919 + at * at * 104_729) % 90))
    const runs = splitBatch(lengths, OPTIONS)
    expect(runs.flat().toSorted((one, other) => one - other)).toEqual([...lengths.keys()])
    for (const run of runs) {
      const tokens = run.length * Math.max(...run.map((index) => lengths[index] ?? 0))
      expect(run.length === 1 || tokens <= OPTIONS.runTokensMax).toBe(true)
    }
    expect(costOf(lengths, runs)).toBe(lengths.length === 0 ? 0 : cheapest(lengths))
  }
})
