/** What lies outside an isolate, 120 ms away: D1, the Config object, the tenant's limits and its ledger. Keeps what it was asked. */
import { sha256Hex } from '../../../src/auth/api-key.ts'
import type { UsableKey } from '../../../src/auth/key-store.ts'
import { type Budget, type BudgetSet, budgetId } from '../../../src/budgets/budget.ts'
import { ledger } from '../../../src/budgets/ledger.ts'
import type { LedgerAnswer, LedgerReport } from '../../../src/budgets/ledger-wire.ts'
import type { Price } from '../../../src/budgets/price.ts'
import type { FilterRules } from '../../../src/contract/filter-rules.ts'
import { changeFeed } from '../../../src/directory/change-feed.ts'
import type { ConfigObject } from '../../../src/directory/change-watch.ts'
import type { SetTimer } from '../../../src/directory/within.ts'
import type { LimitRule } from '../../../src/limits/limit-rules.ts'
import type { LimitStore } from '../../../src/limits/stores.ts'
import { distance } from '../distance.ts'
import type { EventClock } from '../event-clock.ts'
import { memoryStore } from '../limits/memory-store.ts'
import { memoryLedgerSql } from '../memory-ledger.ts'

/** A call of the object that counts for `owner`, as src/limits/limit-object.ts takes it. */
export type LimitCall = { atMs: number; owner: string; method: 'take' | 'giveBack' | 'hold'; args: unknown[] }
export type LedgerCall = { atMs: number; report: LedgerReport }

/** What D1 holds, by the kinds of src/wiring/. */
export type Rows = {
  key: UsableKey
  limit: readonly LimitRule[]
  budget: BudgetSet
  price: Price[]
  filter: FilterRules
}

export type FarStores = {
  load<Kind extends keyof Rows>(kind: Kind, name: string): Promise<Rows[Kind] | undefined>
  config: ConfigObject
  limits: LimitStore
  exchange(report: LedgerReport): Promise<LedgerAnswer>
  limitCalls: LimitCall[]
  ledgerCalls: LedgerCall[]
}

export const TENANT = 'tnt_busy'
export const MODEL = 'm'
/** Far above the traffic: what is looked at is the usual request. */
const PLENTY = 1_000_000_000_000

const RULES: readonly LimitRule[] = [
  { dimension: 'endpoint', subject: '*', kind: 'requests', amount: 100_000_000, windowMs: 3_600_000 },
  { dimension: 'tenant', subject: '*', kind: 'requests', amount: 10_000_000, windowMs: 60_000 },
  { dimension: 'tenant', subject: '*', kind: 'tokens', amount: PLENTY, windowMs: 60_000 },
  { dimension: 'tenant', subject: '*', kind: 'streams', amount: 50_000, windowMs: 0 },
]

export function farStores(clock: EventClock, key: string): FarStores {
  const far = distance(clock)
  const money = ledger(memoryLedgerSql())
  // The distance is already in front of it.
  const windows = memoryStore({ sleep: async () => undefined, roundTripMs: () => 0 })
  const rows = rowsOf()
  const keyName = sha256Hex(key)
  const limitCalls: LimitCall[] = []
  const ledgerCalls: LedgerCall[] = []
  const startMs = clock.nowMs()
  const noted = (owner: string, method: LimitCall['method'], ...args: unknown[]) =>
    limitCalls.push({ atMs: clock.nowMs() - startMs, owner, method, args })
  const feed = changeFeed({
    nowMs: clock.nowMs,
    setTimer: timerOf(clock),
    warn: (cause) => {
      throw cause
    },
    table: { newest: () => far.call('DB', () => []), prune: () => far.call('DB', () => undefined) },
  })
  return {
    limitCalls,
    ledgerCalls,
    load: (kind, name) => far.call('DB', () => (kind === 'key' && name !== keyName ? undefined : rows[kind])),
    config: {
      changesSince: (version) => far.call('CONFIG', () => feed.changesSince(version)),
      poke: (version) => far.call('CONFIG', () => feed.poke(version)),
    },
    limits: {
      take(counter, windowStartMs, ask) {
        noted(counter.owner, 'take', counter.name, counter.amount, counter.windowMs, windowStartMs, ask)
        return far.call('LIMITS', () => windows.take(counter, windowStartMs, ask))
      },
      giveBack(counter, windowStartMs, amount) {
        noted(counter.owner, 'giveBack', counter.name, counter.windowMs, windowStartMs, amount)
        return far.call('LIMITS', () => windows.giveBack(counter, windowStartMs, amount))
      },
      hold(counter, holding) {
        noted(counter.owner, 'hold', counter.name, counter.amount, holding)
        return far.call('LIMITS', () => windows.hold(counter, holding))
      },
    },
    exchange(report) {
      ledgerCalls.push({ atMs: clock.nowMs() - startMs, report })
      return far.call('BUDGET', () => money.exchange(report, clock.nowMs()))
    },
  }
}

/** Budgets for each period and unit, limits of four kinds, a price, a filter: more than most tenants have. */
function rowsOf(): Rows {
  const budgets: Budget[] = (['day', 'month'] as const).flatMap((period) =>
    (['tokens', 'cost'] as const).map((unit) => ({ id: budgetId(period, unit), period, unit, limit: PLENTY })),
  )
  const words = Array.from({ length: 100 }, (_, index) => `forbidden${index}word`)
  return {
    key: {
      id: 'key_busy',
      tenantId: TENANT,
      role: null,
      scopes: ['chat'],
      models: null,
      validUntilMs: null,
      allowedOrigins: null,
      allowedNetworks: null,
    },
    limit: RULES,
    budget: { version: 1, budgets },
    price: [{ model: MODEL, version: 1, input: 150_000, cachedInput: 75_000, output: 600_000 }],
    filter: { version: 1, rules: [{ name: 'words', action: 'mask', on: 'both', match: 'auto', words }] },
  }
}

export function timerOf(clock: EventClock): SetTimer {
  return (ms, call) => {
    let isOff = false
    clock.at(clock.nowMs() + ms, () => isOff || call())
    return () => {
      isOff = true
    }
  }
}
