/** The port Budgets over leases: the usual request takes from what this isolate holds, without waiting for any store. */
import type { Budgets, Demand, Reservation } from '../chat/ports.ts'
import { unixSeconds } from '../contract/unix-seconds.ts'
import { AppError } from '../errors.ts'
import { accountId, type Budget, type BudgetSet, periodEndMs, periodStartMs } from './budget.ts'
import { type Lease, lease, type Slot } from './lease.ts'
import { type Acquired, type LeaseDriver, leaseDriver } from './lease-driver.ts'
import type { LedgerAnswer, LedgerReport } from './ledger-wire.ts'
import type { Price, Prices } from './price.ts'
import { type PromptBound, promptBound } from './prompt-bound.ts'
import { amountOf, completionLimits, reservation } from './reservation.ts'

/** A caller who finds the rest of a budget held by answers that run waits so long for some of it to come back. */
const RESERVE_WAIT_MS = 5_000

/** So long a spent budget is known to be spent without asking. */
const SPENT_KNOWN_MS = 2_000

/** Tenants whose leases an isolate remembers before it looks for some that hold nothing. */
const TENANTS_MAX = 1_000

export type LeasedBudgetsOptions = {
  /** Undefined when the tenant has none. Rejects with store_unavailable: closed. */
  budgetsOf(tenantId: string): BudgetSet | undefined | Promise<BudgetSet | undefined>
  /** The installation's, by alias. */
  prices(): Prices | Promise<Prices>
  /** One call of the tenant's ledger, in the context of the present request. */
  exchange(tenantId: string, report: LedgerReport): Promise<LedgerAnswer>
  /** The prompt's tokens by the model's own tokenizer; undefined where it cannot say. Never rejects. */
  countPrompt(demand: Demand): Promise<number | undefined>
  waitUntil(promise: Promise<unknown>): void
  nowMs(): number
  sleep(ms: number): Promise<void>
  newIsolateId(): string
}

type Tenant = { lease: Lease; driver: LeaseDriver; spentAskedAtMs: number }

export function leasedBudgets(options: LeasedBudgetsOptions): Budgets {
  const { nowMs } = options
  const tenants = new Map<string, Tenant>()
  let isolateId: string | undefined
  let entries = 0

  function tenantOf(tenantId: string): Tenant {
    const known = tenants.get(tenantId)
    if (known) return known
    if (tenants.size >= TENANTS_MAX) {
      for (const [id, tenant] of tenants) if (tenant.lease.holdsNothing()) tenants.delete(id)
    }
    // Made late: random numbers are not to be had while an isolate starts.
    isolateId ??= options.newIsolateId()
    // A tenant that was forgotten starts with its first report anew, so its numbers must be another isolate's.
    const made = lease(`${isolateId}.${entries}`)
    const exchange = (report: LedgerReport) => options.exchange(tenantId, report)
    const tenant = { lease: made, driver: leaseDriver(made, { ...options, exchange }), spentAskedAtMs: 0 }
    tenants.set(tenantId, tenant)
    return tenant
  }

  function reserve(demand: Demand): Reservation | Promise<Reservation> {
    const budgets = options.budgetsOf(demand.principal.tenantId)
    const prices = options.prices()
    if (budgets instanceof Promise || prices instanceof Promise) {
      return Promise.all([budgets, prices]).then(([set, known]) => reserveUnder(demand, set, known))
    }
    return reserveUnder(demand, budgets, prices)
  }

  function reserveUnder(
    demand: Demand,
    set: BudgetSet | undefined,
    prices: Prices,
  ): Reservation | Promise<Reservation> {
    const tenant = tenantOf(demand.principal.tenantId)
    const startedAtMs = nowMs()
    entries += 1
    const begun: Begun = {
      ...{ demand, tenant, startedAtMs, entryId: `${isolateId}-${entries}` },
      price: prices.get(demand.alias),
      slots: [],
      bound: { tokensMax: 0, isExact: true, isCountable: false },
    }
    if (!set) return held(begun, 0, 0, false)
    tenant.lease.learn(set)
    begun.slots = slotsOf(tenant.lease, set, demand.principal.keyId, startedAtMs)
    if (begun.slots.length === 0) return held(begun, 0, 0, false)
    begun.bound = promptBound(demand.request)
    const { tokensMax, isExact } = begun.bound
    const { step } = completionLimits(demand)
    if (tenant.lease.take(begun.slots, amountOf(begun.price, tokensMax, step), !isExact)) {
      return held(begun, tokensMax, step, !isExact)
    }
    refuseIfKnownSpent(begun)
    return reserveSlowly(begun)
  }

  /** By the bound while there is plenty; else by counting, and then waiting for what others hold. */
  async function reserveSlowly(begun: Begun): Promise<Reservation> {
    const { bound, demand } = begun
    const { step, lastStep } = completionLimits(demand)
    if (!bound.isExact) {
      const acquired = await acquire(begun, bound.tokensMax, step, true, 0)
      if (acquired === 'met') return held(begun, bound.tokensMax, step, true)
      if (acquired === 'unavailable') throw refusal(begun, bound.tokensMax, acquired)
    }
    const tokens = (bound.isCountable ? await options.countPrompt(demand) : undefined) ?? bound.tokensMax
    const acquired = await acquire(begun, tokens, lastStep, false, RESERVE_WAIT_MS)
    if (acquired !== 'met') throw refusal(begun, tokens, acquired)
    return held(begun, tokens, lastStep, false)
  }

  function acquire({ tenant, slots, price }: Begun, prompt: number, step: number, isUnproven: boolean, waitMs: number) {
    return tenant.driver.acquire(slots, amountOf(price, prompt, step), isUnproven, waitMs, () => false, 0)
  }

  function held(begun: Begun, promptTokens: number, completionTokens: number, isUnproven: boolean): Reservation {
    const { tenant } = begun
    const made = reservation({
      ...begun,
      ...{ lease: tenant.lease, driver: tenant.driver, promptTokens, isUnproven, completionTokens, nowMs },
    })
    if (begun.slots.length > 0) tenant.driver.soon()
    return made
  }

  /** One request in SPENT_KNOWN_MS asks whether that is still so; the others are told at once. */
  function refuseIfKnownSpent(begun: Begun): void {
    const least = amountOf(begun.price, 1, 1)
    const spent = begun.slots.find(({ state, unit }) => state !== undefined && state.limit - state.spent < least[unit])
    if (!spent) return
    const { tenant } = begun
    if (nowMs() - tenant.spentAskedAtMs < SPENT_KNOWN_MS) throw refusal(begun, 1, 'spent')
    tenant.spentAskedAtMs = nowMs()
  }

  function refusal(begun: Begun, promptTokens: number, acquired: Acquired): AppError {
    if (acquired === 'unavailable') {
      return new AppError('store_unavailable', 'The budget cannot be asked now.', { retryAfterSeconds: 1 })
    }
    const amount = amountOf(begun.price, promptTokens, completionLimits(begun.demand).lastStep)
    return quotaError(begun.slots, amount, acquired, nowMs())
  }

  return { reserve }
}

type Begun = {
  demand: Demand
  tenant: Tenant
  startedAtMs: number
  entryId: string
  price: Price | undefined
  slots: readonly Slot[]
  bound: PromptBound
}

function slotsOf(of: Lease, set: BudgetSet, keyId: string, atMs: number): Slot[] {
  const slots: Slot[] = []
  for (const budget of budgetsOfKey(set, keyId)) {
    const startMs = periodStartMs(budget.period, atMs)
    slots.push(of.slot(accountId(budget.id, startMs), budget.unit, periodEndMs(budget.period, startMs)))
  }
  return slots
}

const byKey = new WeakMap<BudgetSet, Map<string, readonly Budget[]>>()

/** Remembered per set: a tenant may have thousands of keys. */
function budgetsOfKey(set: BudgetSet, keyId: string): readonly Budget[] {
  let known = byKey.get(set)
  if (!known) {
    known = new Map()
    byKey.set(set, known)
  }
  let budgets = known.get(keyId)
  if (!budgets) {
    budgets = set.budgets.filter((budget) => budget.keyId === undefined || budget.keyId === keyId)
    known.set(keyId, budgets)
  }
  return budgets
}

/** Says which budget refuses, and when there is more. */
function quotaError(slots: readonly Slot[], amount: { tokens: number; cost: number }, why: Acquired, nowMs: number) {
  const isShort = ({ state, unit }: Slot) =>
    state !== undefined && amount[unit] > (why === 'spent' ? state.limit - state.spent : state.left)
  const slot = slots.find(isShort) ?? slots[0]
  if (!slot) throw new Error('Nothing is refused where there is no budget.')
  const [budget = ''] = slot.id.split('@')
  const [period = '', unit = '', ...key] = budget.split('-')
  const resetsAt = new Date(slot.endsAtMs).toISOString()
  const whose = key.length > 0 ? 'key' : 'tenant'
  const what = unit === 'tokens' ? 'tokens' : 'money'
  const state = why === 'spent' ? 'does not have enough left for this request' : 'is held by answers that still run'
  return new AppError(
    'insufficient_quota',
    `The ${whose}'s budget of ${what} for the ${period} ${state}. It resets at ${resetsAt}.`,
    {
      retryAfterSeconds: why === 'spent' ? Math.max(1, Math.ceil((slot.endsAtMs - nowMs) / 1_000)) : HELD_RETRY_SECONDS,
      details: { budget, resets_at: unixSeconds(slot.endsAtMs) },
    },
  )
}

/** Answers that run end within seconds to minutes. */
const HELD_RETRY_SECONDS = 10
