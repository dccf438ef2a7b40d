/**
 * `npm run long:affinity`: affinity, least loaded, round robin and routers that know everything over four simulated replicas with three
 * times more conversations than slots. docs/performance.md says how to read it.
 *
 *     npm run long:affinity                  # 10 seeds of 10,000 requests
 *     npm run long:affinity -- --seeds 2 --requests 2000
 *     npm run long:affinity -- --save        # writes test/bench/results/affinity-simulation.json
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ROUTERS, type RouterName } from '../support/affinity/routers.ts'
import { SIMULATION, simulate } from '../support/affinity/simulate.ts'
import { median, round } from './measure/statistics.ts'
import { table } from './measure/table.ts'

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10' },
    requests: { type: 'string', default: '10000' },
    save: { type: 'boolean', default: false },
  },
})
const seeds = Array.from({ length: Number(options.seeds) }, (_, index) => index + 1)
const requests = Number(options.requests)

/** `isolates`: each knows of its own calls and beginnings only. */
const CASES: { name: string; router: RouterName; isolates: number }[] = [
  ...(Object.keys(ROUTERS) as RouterName[]).map((router) => ({ name: router, router, isolates: 1 })),
  { name: 'affinity, 4 isolates', router: 'affinity', isolates: 4 },
  { name: 'least_loaded, 4 isolates', router: 'least_loaded', isolates: 4 },
]

const figures: Record<string, ReturnType<typeof measure>> = {}
for (const { name, ...how } of CASES) {
  console.error(name)
  figures[name] = measure(how)
}

function measure(how: { router: RouterName; isolates: number }) {
  const results = seeds.map((seed) => simulate({ ...SIMULATION, requests, seed, ...how }))
  const of = (pick: (result: (typeof results)[number]) => number) => round(median(results.map(pick)))
  return {
    cachedShare: of(({ cachedShare }) => cachedShare),
    waitP99Ms: of(({ waitMs }) => waitMs.p99),
    firstTokenP50Ms: of(({ firstTokenMs }) => firstTokenMs.p50),
    firstTokenP99Ms: of(({ firstTokenMs }) => firstTokenMs.p99),
    busyShare: of(({ busyShare }) => busyShare),
    fullest: of(({ fullest }) => fullest),
  }
}

const over = (one: string, other: string, figure: 'cachedShare' | 'waitP99Ms') =>
  round((figures[one]?.[figure] ?? Number.NaN) / (figures[other]?.[figure] ?? Number.NaN))
const ratios = {
  cached_vs_all_knowing: over('affinity', 'all_knowing_bounded', 'cachedShare'),
  cached_vs_all_knowing_unbounded: over('affinity', 'all_knowing', 'cachedShare'),
  cached_vs_least_loaded: over('affinity', 'least_loaded', 'cachedShare'),
  wait_p99_vs_least_loaded: over('affinity', 'least_loaded', 'waitP99Ms'),
  cached_vs_all_knowing_4_isolates: over('affinity, 4 isolates', 'all_knowing_bounded', 'cachedShare'),
  wait_p99_vs_least_loaded_4_isolates: over('affinity, 4 isolates', 'least_loaded, 4 isolates', 'waitP99Ms'),
}
console.log(
  table(
    ['medians over the seeds', 'cached share', 'wait p99 ms', 'first token p50', 'p99', 'busy', 'fullest'],
    Object.entries(figures).map(([name, one]) => [name, ...Object.values(one).map(String)]),
  ),
)
console.log(JSON.stringify(ratios))
if (options.save) {
  const outcome = { ...SIMULATION, seeds: seeds.length, requests, figures, ratios }
  writeFileSync(join(import.meta.dirname, 'results/affinity-simulation.json'), `${JSON.stringify(outcome, null, 2)}\n`)
}
