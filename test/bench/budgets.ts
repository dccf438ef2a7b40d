/**
 * `npm run long:budgets`: 10,000 concurrent answers against one tenant's budgets, in several scenarios and seeds. Fails when a budget is
 * exceeded, something stays reserved, or less than 90 % of what is possible was let in. `-- --save` keeps the figures.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SCENARIOS, type Scenario, simulateBudgets } from '../support/budget-simulation.ts'

/** What an admitter who knows all answers beforehand gets, and what ours must reach of it. */
const SHARE_MIN = 0.9
const SEEDS = [1, 2, 3]

// The simulated network loses calls on purpose.
console.warn = () => {}

const only = process.argv.slice(2).find((argument) => !argument.startsWith('--'))
const figures: object[] = []
for (const [name, scenario] of Object.entries(SCENARIOS)) {
  if (only !== undefined && only !== name) continue
  for (const seed of SEEDS) figures.push(await measured(name, { ...scenario, seed }))
}
if (process.argv.includes('--save')) {
  const file = join(import.meta.dirname, 'results/budgets.json')
  writeFileSync(file, `${JSON.stringify({ date: new Date().toISOString(), figures }, null, 2)}\n`)
}

async function measured(name: string, scenario: Scenario): Promise<object> {
  const { violations, ...outcome } = await simulateBudgets(scenario)
  const tokens = share(outcome.used - outcome.uncharged, outcome.possible)
  const requests = share(outcome.admitted, outcome.possiblyAdmitted)
  console.log(
    `${name.padEnd(14)} seed ${scenario.seed}: spent ${outcome.spent + outcome.presumed} of ${outcome.limit}, ` +
      `${tokens} of the possible tokens, ${requests} of the possible requests, ${outcome.whole} whole, ${outcome.cut} cut, ` +
      `${outcome.refused} refused, ${outcome.uncharged} tokens not charged`,
  )
  for (const violation of violations) console.error(`  ${violation}`)
  if (violations.length > 0 || (scenario.sharesAtLeast ?? SHARE_MIN) > tokens) process.exitCode = 1
  return { name, ...scenario, tokens, requests, ...outcome, violations }
}

function share(part: number, whole: number): number {
  return Math.round((1_000 * part) / whole) / 1_000
}
