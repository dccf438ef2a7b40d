/**
 * Affinity beside a router that knows everything, over replicas whose cache is the real prefix store: a short version of
 * `npm run long:affinity`, which has more seeds, and isolates that know of their own calls only.
 */
import { expect, test } from 'vitest'
import type { RouterName } from '../../support/affinity/routers.ts'
import { SIMULATION, simulate } from '../../support/affinity/simulate.ts'

const SEEDS = [1, 2]
/** Some two seconds of computing on a machine that does nothing else. */
const TIMEOUT_MS = 60_000

function runs(router: RouterName) {
  const results = SEEDS.map((seed) => simulate({ ...SIMULATION, requests: 2_000, seed, router }))
  const mean = (of: (result: (typeof results)[number]) => number) =>
    results.reduce((sum, one) => sum + of(one), 0) / SEEDS.length
  return {
    cachedShare: mean(({ cachedShare }) => cachedShare),
    waitMs: mean(({ waitMs }) => waitMs.p99),
    firstTokenMs: mean(({ firstTokenMs }) => firstTokenMs.p99),
  }
}

test(
  'affinity reaches 0.9 of the cached share of an all-knowing router, and nobody waits longer than by least loaded',
  () => {
    const [affinity, leastLoaded, allKnowing] = [runs('affinity'), runs('least_loaded'), runs('all_knowing_bounded')]
    expect(affinity.cachedShare / allKnowing.cachedShare).toBeGreaterThanOrEqual(0.9)
    expect(affinity.cachedShare).toBeGreaterThan(leastLoaded.cachedShare * 2)
    expect(affinity.waitMs).toBeLessThanOrEqual(leastLoaded.waitMs)
    expect(affinity.firstTokenMs).toBeLessThanOrEqual(leastLoaded.firstTokenMs)
  },
  TIMEOUT_MS,
)
