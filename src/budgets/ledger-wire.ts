/** What an isolate and its tenant's ledger say to each other: one call in which usage, returns and wishes travel together. */
import type { BudgetSet } from './budget.ts'

/** One answer that was paid for. */
export type UsageEntry = {
  /** Made by the isolate: it counts once, however often it is told. */
  id: string
  tenantId: string
  requestId: string
  keyId: string
  userId?: string
  model: string
  promptTokens: number
  cachedTokens: number
  completionTokens: number
  /** What the budgets are charged: all tokens, unless the model wrote more than was paid for before it could be stopped. */
  chargedTokens: number
  /** Nano-units. */
  cost: number
  /** 0 when the model had no price. */
  priceVersion: number
  /** When it was reserved: decides the period. */
  startedAtMs: number
  endedAtMs: number
}

/** Amounts by account. */
export type Amounts = Readonly<Record<string, number>>

export type LedgerReport = {
  isolateId: string
  /** From 1. A report is sent again, unchanged, until it is answered; then the next gets the next number. */
  sequence: number
  /** When the ledger's answer showed an older version than the isolate's. */
  rules?: BudgetSet
  /** `held`: the accounts in which it was reserved, and whose lease it therefore takes from. */
  usage: readonly { entry: UsageEntry; held: readonly string[] }[]
  /** Of what was leased to the isolate and is not needed. */
  returned: Amounts
  /** What the isolate would like to have in store. */
  wanted: Amounts
  /** Requests that wait, each for all of its amounts or none, in their order. `unproven`: by a bound, where counting may show less. */
  needs: readonly { amounts: Amounts; unproven: boolean }[]
}

export type NeedAnswer =
  | 'met'
  /** Others hold it and may return some. */
  | 'wait'
  /** As `wait`, but nobody holds any of it beside the isolate that asks. */
  | 'alone'
  /** More than may be held by a bound: count the prompt, then ask again. */
  | 'count'
  /** What is spent leaves no room for it in this period. */
  | 'spent'

export type AccountState = {
  limit: number
  /** Presumed included. */
  spent: number
  /** Neither spent nor leased. */
  left: number
  /** How much one isolate may hold beyond what it needs. */
  room: number
}

export type LedgerAnswer = {
  sequence: number
  rulesVersion: number
  needs: readonly NeedAnswer[]
  /** Leased by this answer, for needs that were met and for wishes. */
  granted: Amounts
  accounts: Readonly<Record<string, AccountState>>
}
