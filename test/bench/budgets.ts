/** `npm run long:budgets`: 10,000 concurrent answers against one tenant's budgets, in several scenarios. What is asserted is in the unit suite's short version. */
import { simulateBudgets } from '../support/budget-simulation.ts'

const only = process.argv[2]
for (const [name, scenario] of Object.entries({
  usual: {
    requests: 10_000,
    isolates: 20,
    arriveWithinMs: 30_000,
    budgetShare: 0.5,
    hugeShare: 0,
    hasTokenizer: true,
    deaths: 3,
  },
  huge: {
    requests: 10_000,
    isolates: 20,
    arriveWithinMs: 30_000,
    budgetShare: 0.5,
    hugeShare: 0.05,
    hasTokenizer: true,
    deaths: 3,
  },
  'few-huge': {
    requests: 300,
    isolates: 8,
    arriveWithinMs: 5_000,
    budgetShare: 0.3,
    hugeShare: 1,
    hasTokenizer: true,
    deaths: 0,
  },
  'no-tokenizer': {
    requests: 10_000,
    isolates: 20,
    arriveWithinMs: 30_000,
    budgetShare: 0.5,
    hugeShare: 0.05,
    hasTokenizer: false,
    deaths: 3,
  },
  plenty: {
    requests: 10_000,
    isolates: 20,
    arriveWithinMs: 30_000,
    budgetShare: 3,
    hugeShare: 0.01,
    hasTokenizer: true,
    deaths: 3,
  },
})) {
  if (only && only !== name) continue
  const started = performance.now()
  const outcome = await simulateBudgets({ seed: 1, ...scenario })
  const { violations, ...rest } = outcome
  console.log(
    name,
    rest,
    'tokens',
    (Math.min(outcome.used, outcome.limit) / outcome.possible).toFixed(3),
    'requests',
    (outcome.admitted / outcome.possiblyAdmitted).toFixed(3),
    violations.length,
    violations.slice(0, 5),
    Math.round(performance.now() - started),
    'ms',
  )
}
