/** What a budget is, and which accounts a request draws on. A budget's id says what it bounds, so that there is one of each. */
import { BUDGET_ID } from '../contract/budget-id.ts'

export const PERIODS = ['day', 'month'] as const
export type Period = (typeof PERIODS)[number]

/** `tokens`: of prompt and answer together. `cost`: nano-units of the installation's currency. Both are whole numbers. */
export const UNITS = ['tokens', 'cost'] as const
export type Unit = (typeof UNITS)[number]

export type Budget = {
  /** `day-tokens`, or with the key `day-tokens-key_1`. */
  id: string
  period: Period
  unit: Unit
  /** Absent: of the whole tenant. */
  keyId?: string
  limit: number
}

/** All budgets of a tenant. A write anywhere in them raises the version. */
export type BudgetSet = { version: number; budgets: readonly Budget[] }

/** What something takes, in both units. */
export type Amount = { tokens: number; cost: number }

export function budgetId(period: Period, unit: Unit, keyId?: string): string {
  return keyId === undefined ? `${period}-${unit}` : `${period}-${unit}-${keyId}`
}

/** The parts of an id, or undefined when it is none. */
export function parseBudgetId(id: string): Omit<Budget, 'limit'> | undefined {
  const match = BUDGET_ID.exec(id)
  if (!match) return undefined
  const [, period, unit, keyId] = match
  // Sound: the expression lets only these through.
  return { id, period: period as Period, unit: unit as Unit, ...(keyId === undefined ? {} : { keyId }) }
}

const DAY_MS = 86_400_000

/** Periods begin at midnight and on the first of the month, UTC. */
export function periodStartMs(period: Period, atMs: number): number {
  if (period === 'day') return Math.floor(atMs / DAY_MS) * DAY_MS
  const at = new Date(atMs)
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1)
}

export function periodEndMs(period: Period, startMs: number): number {
  if (period === 'day') return startMs + DAY_MS
  const start = new Date(startMs)
  return Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1, 1)
}

/** One budget in one of its periods: what is spent and leased is counted per account. */
export function accountId(budget: string, startMs: number): string {
  return `${budget}@${startMs}`
}

/** Every account that usage at this time belongs to, whether or not a budget bounds it: a budget made later counts what came before it. */
export function accountsOfUsage(
  keyId: string,
  atMs: number,
): { id: string; unit: Unit; endsAtMs: number; budget: string }[] {
  return PERIODS.flatMap((period) => {
    const startMs = periodStartMs(period, atMs)
    const endsAtMs = periodEndMs(period, startMs)
    return UNITS.flatMap((unit) =>
      [budgetId(period, unit), budgetId(period, unit, keyId)].map((budget) => {
        return { id: accountId(budget, startMs), unit, endsAtMs, budget }
      }),
    )
  })
}
