/**
 * The guarantee of budgets, on the short form of `npm run long:budgets`: 1,000 concurrent answers, most of what each of them may do
 * wrong. The table in docs/budgets.md says which deliberately broken builds these tests were seen failing with.
 */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SCENARIOS, simulateBudgets } from '../../support/budget-simulation.ts'

beforeEach(() => {
  // The simulated network loses calls on purpose.
  vi.spyOn(console, 'warn').mockImplementation(() => {})
})
afterEach(() => {
  vi.restoreAllMocks()
})

test.each([
  ['usual', 1],
  ['usual', 2],
  ['huge prompts', 1],
  ['few huge', 1],
  ['plenty', 1],
  ['no tokenizer', 1],
  ['no tokenizer, huge', 3],
] as const)(
  '%s, seed %d: never exceeded, nothing left reserved, and at least 9/10 of what is possible let in',
  async (name, seed) => {
    const scenario = SCENARIOS[name]
    if (!scenario) throw new Error('There is no such scenario.')
    const requests = Math.min(1_000, scenario.requests)
    const short = {
      ...scenario,
      seed,
      requests,
      isolates: Math.min(8, scenario.isolates),
      // Of eight isolates one that dies with a fifth of the budget in huge prompts is no rounding error.
      deaths: scenario.hugeShare > 0.01 ? 0 : Math.min(1, scenario.deaths),
    }
    const outcome = await simulateBudgets(short)
    expect(outcome.violations).toEqual([])
    expect(outcome.spent + outcome.presumed).toBeLessThanOrEqual(outcome.limit)
    expect(outcome.reserved).toBe(0)
    const charged = outcome.used - outcome.uncharged
    expect(charged).toBeGreaterThan((scenario.sharesAtLeast ?? 0.9) * outcome.possible)
    // What was written before a model could be stopped is a rounding error.
    expect(outcome.uncharged).toBeLessThan(0.002 * outcome.limit)
  },
  60_000,
)
