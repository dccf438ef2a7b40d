/** A random day of many isolates at one limit, and whether what was promised was kept. Short in the unit suite, long as `npm run long:limits`. */
import { leasedWindows, type Spend } from '../../../src/limits/leased-windows.ts'
import { graceOf } from '../../../src/limits/slice.ts'
import { windowStartOf } from '../../../src/limits/stores.ts'
import { type Random, seededRandom } from '../seeded-random.ts'
import { memoryStore } from './memory-store.ts'
import { simulatedWorld } from './simulated-world.ts'

export type Scenario = {
  seed: number
  amount: number
  windowMs: number
  isolates: number
  requests: number
  /** All the requests come within this. */
  spanMs: number
  costMax: number
  roundTripMs: number
  /** Of the store's calls that are lost. */
  lossRate: number
}

export type Outcome = {
  admitted: number
  refused: number
  failed: number
  calls: number
  /** Every window in which more was admitted than was promised, or less than was paid for. Empty when all is well. */
  broken: string[]
}

const START_MS = 1_800_000_000_000

export function randomScenario(seed: number): Scenario {
  const random = seededRandom(seed)
  const amount = random.pick([1, 2, 5, 20, 100, 1_000, 20_000])
  return {
    seed,
    amount,
    windowMs: random.pick([1_000, 10_000, 60_000, 3_600_000]),
    isolates: 1 + random.below(random.pick([2, 12, 60])),
    requests: Math.min(1_500, 10 + random.below(4 * amount + 50)),
    spanMs: random.pick([10, 500, 5_000, 120_000]),
    costMax: random.pick([1, 1, 7]),
    roundTripMs: random.pick([2, 30, 120, 400]),
    lossRate: random.pick([0, 0, 0.02, 0.3, 1]),
  }
}

export async function runScenario(scenario: Scenario, grantsBeyond = 0): Promise<Outcome> {
  const { amount, windowMs, isolates, lossRate, seed } = scenario
  const random = seededRandom(seed ^ 0x5eed)
  const world = simulatedWorld(START_MS + random.below(windowMs))
  const store = memoryStore({
    sleep: world.sleep,
    roundTripMs: () => scenario.roundTripMs * (0.5 + random.next()),
    loses: () => (random.chance(lossRate) ? random.pick(['call', 'answer'] as const) : 'nothing'),
    grantsBeyond,
  })
  const counter = { owner: 'tnt/key/k', name: 'requests', amount, windowMs }
  const all = Array.from({ length: isolates }, () =>
    leasedWindows({ store, nowMs: world.nowMs, sleep: world.sleep, waitUntil: (promise) => void promise }),
  )
  const admitted = new Map<number, number>()
  const outcome: Outcome = { admitted: 0, refused: 0, failed: 0, calls: 0, broken: [] }

  for (let i = 0; i < scenario.requests; i++) {
    world.at(world.nowMs() + random.below(scenario.spanMs), () => void oneRequest(random))
  }
  async function oneRequest({ below, chance }: Random): Promise<void> {
    const windows = all[below(isolates)]
    const cost = Math.min(amount, 1 + below(scenario.costMax))
    const spends: Spend[] = [{ counter, cost, typicalCost: 1 }]
    const isDeniedElsewhere = chance(0.1)
    const verdict = await windows?.take(spends)
    if (verdict?.kind === 'taken') {
      const takenAtMs = world.nowMs()
      // Another limit refuses some of them: that must cost nothing here.
      if (isDeniedElsewhere) return windows?.refund(spends, takenAtMs)
      const startMs = windowStartOf(windowMs, takenAtMs)
      admitted.set(startMs, (admitted.get(startMs) ?? 0) + cost)
      outcome.admitted += 1
    } else if (verdict?.kind === 'refused') outcome.refused += 1
    else outcome.failed += 1
  }
  await world.run()

  outcome.calls = store.calls
  // With a store that answers nothing is let in above the limit; while it fails, what it last granted once more for each isolate.
  const above = lossRate === 0 ? 0 : isolates * graceOf(counter)
  for (const [startMs, count] of admitted) {
    const used = store.used(counter.owner, counter.name, startMs)
    if (count > amount + above) outcome.broken.push(`${count} admitted of ${amount} (+${above}) at ${startMs}`)
    // In the end everything that is not used has been given back, unless its window ended before that.
    const isOver = startMs + windowMs <= world.nowMs()
    if (lossRate === 0 && count > used) outcome.broken.push(`${count} admitted, ${used} counted at ${startMs}`)
    if (lossRate === 0 && windowMs === 3_600_000 && !isOver && count !== used) {
      outcome.broken.push(`${count} admitted, ${used} counted at the end`)
    }
  }
  return outcome
}
