/**
 * The property of leased windows, long: random days of up to 60 isolates at one limit, with stores that are far away and stores that
 * fail. Counted: requests, what was let in, and every window in which a promise of docs/limits.md was broken.
 *
 *     npm run long:limits                  # 20,000 scenarios
 *     npm run long:limits -- --scenarios 100 --seed 7
 *     npm run long:limits -- --save        # writes test/bench/results/limits.json
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { randomScenario, runScenario } from '../support/limits/window-property.ts'

const { values: options } = parseArgs({
  options: {
    scenarios: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    save: { type: 'boolean', default: false },
  },
})

const startedAt = performance.now()
const first = Number(options.seed)
const counts = { scenarios: 0, admitted: 0, refused: 0, failed: 0, storeCalls: 0 }
const faults: { seed: number; broken: string[] }[] = []
for (let seed = first; seed < first + Number(options.scenarios); seed++) {
  const { admitted, refused, failed, calls, broken } = await runScenario(randomScenario(seed))
  counts.scenarios += 1
  counts.admitted += admitted
  counts.refused += refused
  counts.failed += failed
  counts.storeCalls += calls
  if (broken.length > 0) faults.push({ seed, broken })
  if (counts.scenarios % 1_000 === 0) console.error(`${counts.scenarios} scenarios, ${faults.length} broken`)
}

const outcome = { seed: first, ...counts, seconds: Math.round((performance.now() - startedAt) / 1_000), faults }
console.log(JSON.stringify(outcome, null, 2))
if (options.save) {
  writeFileSync(join(import.meta.dirname, 'results/limits.json'), `${JSON.stringify(outcome, null, 2)}\n`)
}
process.exitCode = faults.length === 0 ? 0 : 1
