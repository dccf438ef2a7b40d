/**
 * A slice of a window that this isolate may use without asking: how much it holds, how fast it is used, when to ask for more and for
 * how much. Pure; src/limits/leased-windows.ts does the asking.
 */
import { type Ask, type Grant, type WindowCounter, windowStartOf } from './stores.ts'

/** How long a slice should last: two asks in this time, half of it in hand. */
const LEASE_MS = 5_000
/** No isolate takes a larger part of what is left, unless requests wait for it: the others are to have some too. */
const SHARES = 16
/** Of a whole window, before anything is known of demand. Limits of this many and fewer are handed out one by one. */
const FIRST_SHARES = 25
const FIRST_REQUESTS = 8
/** A burst says little of the next seconds. */
const GROWTH = 4
const RATE_OVER_MS_MIN = 100
/** Above this part of the window an idle slice is kept for a while: a caller who comes back need not wait. */
export const PLENTY = 1 / 4
const BACK_OFF_MS = 1_000
const BACK_OFF_MS_MAX = 16_000
/** How long the last answer of a store that fails is trusted. */
export const LAST_ANSWER_MS = 60_000
const STORE_RETRY_MS = 1_000

export type Slice = {
  counter: WindowCounter
  /** What one request usually costs. */
  typicalCost: number
  windowStartMs: number
  /** May be used without asking. */
  left: number
  /** Was used beyond what was granted; the next ask tells of it. */
  debt: number
  /** What the store had left when it last answered. */
  remaining: number
  lastGrant: number
  usedSinceAsk: number
  askedAtMs: number
  ratePerMs: number
  usedAtMs: number
  /** The smallest need that was refused; so much need not be asked for before `askAgainAtMs`. */
  refusedNeed: number
  refusals: number
  askAgainAtMs: number
  answeredAtMs: number
  /** The last answer was a grant. */
  granted: boolean
  /** The last answer has been used once more, while the store failed. */
  graced: boolean
  /** Before this a store that failed is not asked again. */
  retryAtMs: number
}

export function newSlice(counter: WindowCounter, typicalCost: number, nowMs: number): Slice {
  return {
    counter,
    typicalCost,
    windowStartMs: windowStartOf(counter.windowMs, nowMs),
    left: 0,
    debt: 0,
    remaining: counter.amount,
    lastGrant: 0,
    usedSinceAsk: 0,
    askedAtMs: nowMs,
    ratePerMs: 0,
    usedAtMs: nowMs,
    refusedNeed: Number.POSITIVE_INFINITY,
    refusals: 0,
    askAgainAtMs: 0,
    answeredAtMs: Number.NEGATIVE_INFINITY,
    granted: false,
    graced: false,
    retryAtMs: 0,
  }
}

/** `ask`: the store must say. `failed`: it did not, and its last answer is too old or spent. */
export type Outcome = 'taken' | 'refused' | 'ask' | 'failed'

export function takeFrom(slice: Slice, cost: number, nowMs: number): Outcome {
  roll(slice, nowMs)
  const missing = cost - slice.left
  if (missing > 0) {
    if (nowMs < slice.askAgainAtMs && missing >= slice.refusedNeed) return 'refused'
    if (nowMs >= slice.retryAtMs) return 'ask'
    if (!useLastAnswer(slice, cost, nowMs)) return 'failed'
  }
  slice.left -= cost
  slice.usedSinceAsk += cost
  slice.usedAtMs = nowMs
  return 'taken'
}

/** A new window: what was held, owed and refused was of the old one. */
export function roll(slice: Slice, nowMs: number): void {
  const startMs = windowStartOf(slice.counter.windowMs, nowMs)
  if (startMs === slice.windowStartMs) return
  slice.windowStartMs = startMs
  slice.left = 0
  slice.debt = 0
  slice.remaining = slice.counter.amount
  slice.refusedNeed = Number.POSITIVE_INFINITY
  slice.refusals = 0
  slice.askAgainAtMs = 0
}

/** Policy when the store fails: what it last granted is granted once more, within a minute of it, and is owed; then closed. */
function useLastAnswer(slice: Slice, cost: number, nowMs: number): boolean {
  if (!slice.granted || slice.graced || nowMs - slice.answeredAtMs > LAST_ANSWER_MS) return false
  const again = Math.min(slice.lastGrant, graceOf(slice.counter))
  if (slice.left + again < cost) return false
  slice.graced = true
  slice.left += again
  slice.debt += again
  return true
}

/** The most that one isolate lets in above the limit, and only while the store fails. docs/limits.md states it. */
export function graceOf(counter: WindowCounter): number {
  return Math.ceil(counter.amount / SHARES)
}

/** Whether to ask before the slice is used up, so that nobody has to wait. */
export function isLow(slice: Slice, nowMs: number): boolean {
  if (nowMs < slice.askAgainAtMs || nowMs < slice.retryAtMs) return false
  const rateNow = slice.usedSinceAsk / Math.max(RATE_OVER_MS_MIN, nowMs - slice.askedAtMs)
  const soon = slice.remaining < SHARES * slice.typicalCost ? 0 : (Math.max(rateNow, slice.ratePerMs) * LEASE_MS) / 2
  const spare = slice.remaining > slice.counter.amount * PLENTY ? slice.typicalCost : 0
  return slice.left < Math.max(soon, spare)
}

/** Of a small limit nothing is held in hand: one in hand here would be one that is missing elsewhere. */
function isSingle(slice: Slice): boolean {
  return firstSlice(slice) <= slice.typicalCost
}

function firstSlice({ counter, typicalCost }: Slice): number {
  return Math.max(1, Math.min(FIRST_REQUESTS * typicalCost, Math.ceil(counter.amount / FIRST_SHARES)))
}

/** `need`: what is missing for one request; `waiting`: what all those cost who wait for the answer. */
export function askOf(slice: Slice, need: number, waiting: number, nowMs: number): Ask {
  const elapsedMs = Math.max(RATE_OVER_MS_MIN, nowMs - slice.askedAtMs)
  slice.ratePerMs = slice.usedSinceAsk / elapsedMs
  slice.usedSinceAsk = 0
  slice.askedAtMs = nowMs
  const first = isSingle(slice) ? need : firstSlice(slice)
  const demand = Math.max(first, Math.ceil(slice.ratePerMs * LEASE_MS))
  const growth = slice.lastGrant === 0 ? first : slice.lastGrant * GROWTH
  const share = isSingle(slice) ? need : Math.ceil(slice.remaining / SHARES)
  const want = Math.min(Math.max(need, waiting - slice.left, Math.min(demand, growth, share)), slice.counter.amount)
  return { need, want, spent: slice.debt }
}

export function answered(slice: Slice, ask: Ask, grant: Grant, nowMs: number): void {
  slice.debt = Math.max(0, slice.debt - ask.spent)
  slice.left += grant.granted
  slice.remaining = grant.remaining
  slice.answeredAtMs = nowMs
  slice.granted = grant.granted > 0
  slice.graced = false
  slice.retryAtMs = 0
  if (grant.granted > 0) {
    slice.lastGrant = grant.granted
    slice.refusedNeed = Number.POSITIVE_INFINITY
    slice.refusals = 0
    slice.askAgainAtMs = 0
    return
  }
  // What others hold unused comes back to the store, so it is worth asking again, ever more rarely.
  slice.refusedNeed = Math.min(slice.refusedNeed, ask.need)
  slice.askAgainAtMs = nowMs + Math.min(BACK_OFF_MS_MAX, BACK_OFF_MS * 2 ** slice.refusals)
  slice.refusals += 1
}

export function unanswered(slice: Slice, nowMs: number): void {
  slice.retryAtMs = nowMs + STORE_RETRY_MS
}

/** What turned out to have been more (or, below zero, less) than was taken. Less is only worth something in its own window. */
export function correct(slice: Slice, more: number, takenInMs: number, nowMs: number): void {
  roll(slice, nowMs)
  if (more < 0 && takenInMs !== slice.windowStartMs) return
  slice.left -= more
  if (more > 0) slice.usedSinceAsk += more
  if (slice.left >= 0) return
  slice.debt -= slice.left
  slice.left = 0
}

export function secondsToEnd(slice: Slice, nowMs: number): number {
  return Math.max(1, Math.ceil((slice.windowStartMs + slice.counter.windowMs - nowMs) / 1_000))
}
