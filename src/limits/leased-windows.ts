/**
 * Windows as an isolate uses them: it holds a slice of each and asks the store for more in the background, so that the usual request
 * waits for nothing. What is granted has been counted by the store beforehand, so however many isolates there are, no more is let in
 * than the limit; what is not used is given back.
 */
import { answered, askOf, correct, isLow, newSlice, PLENTY, type Slice, takeFrom, unanswered } from './slice.ts'
import { type Counter, type WindowCounter, type WindowStore, windowStartOf } from './stores.ts'

export type Spend = { counter: WindowCounter; cost: number; typicalCost: number }

export type Verdict =
  | { kind: 'taken' }
  | { kind: 'refused'; counter: WindowCounter; nowMs: number }
  /** The store does not answer, and its last answer is used up. */
  | { kind: 'failed'; counter: WindowCounter; cause: unknown }

export type LeasedWindows = {
  /** Takes from all of the counters or from none. Synchronous while this isolate holds enough of each, and when one is known to be used up. */
  take(spends: readonly Spend[]): Verdict | Promise<Verdict>
  /** Undoes a `take` of this window. */
  refund(spends: readonly Spend[], takenAtMs: number): void
  /** It was more than was taken, or less. */
  correct(spend: Spend, more: number, takenAtMs: number): void
  /** What is known here, without asking. */
  standing(counter: WindowCounter): { remaining: number; resetMs: number }
}

/** Beyond it a store counts as failing. A grant that comes later is lost: it was counted and is not used. */
export const STORE_TIMEOUT_MS = 1_000
/** Enough for every caller in a burst to have been waited for; more means that the store grants less than it was asked for. */
const ROUNDS_MAX = 8
/** An idle slice is given back after this, sooner where little is left for others. */
const IDLE_MS = 20_000
const IDLE_MS_SCARCE = 2_000
const TIDY_EVERY_MS = 2_000
/** A request's context outlives its response by 30 s at most; a later request takes over after five. */
const TIDY_ROUNDS = 13
const TIDY_TAKEN_OVER_MS = 5_000
/** Each costs some hundred bytes. What is pushed out was counted by the store. */
const SLICES_MAX = 20_000

type Asking = { promise: Promise<void>; sinceMs: number }

export function leasedWindows(options: {
  store: WindowStore
  nowMs: () => number
  sleep: (ms: number) => Promise<void>
  waitUntil: (promise: Promise<unknown>) => void
}): LeasedWindows {
  const { store, nowMs, sleep, waitUntil } = options
  const slices = new Map<string, Slice>()
  const asking = new Map<Slice, Asking>()
  const waiting = new Map<Slice, number>()
  const causes = new WeakMap<Slice, unknown>()
  let tidyingSinceMs = Number.NEGATIVE_INFINITY

  function sliceOf({ counter, typicalCost }: Spend, now: number): Slice {
    const key = keyOf(counter)
    const known = slices.get(key)
    if (known && known.counter.windowMs === counter.windowMs) {
      known.counter = counter
      return known
    }
    const slice = newSlice(counter, typicalCost, now)
    if (slices.size >= SLICES_MAX) forget(slices.keys().next().value)
    slices.set(key, slice)
    return slice
  }

  function forget(key: string | undefined): void {
    if (key !== undefined) slices.delete(key)
  }

  /** One at a time for each slice. Never rejects. */
  function askFor(slice: Slice, need: number, now: number): Promise<void> {
    const current = asking.get(slice)
    // One whose request was killed never ends.
    if (current && now - current.sinceMs < 2 * STORE_TIMEOUT_MS) return current.promise
    const promise = settle(slice, need, now).finally(() => {
      if (asking.get(slice)?.promise === promise) asking.delete(slice)
    })
    asking.set(slice, { promise, sinceMs: now })
    waitUntil(promise)
    return promise
  }

  async function settle(slice: Slice, need: number, now: number): Promise<void> {
    const ask = askOf(slice, need, waiting.get(slice) ?? 0, now)
    const { windowStartMs } = slice
    try {
      const grant = await inTime(store.take(slice.counter, windowStartMs, ask))
      if (slice.windowStartMs === windowStartMs) answered(slice, ask, grant, nowMs())
    } catch (cause) {
      causes.set(slice, cause)
      unanswered(slice, nowMs())
    }
  }

  function inTime<Value>(answer: Promise<Value>): Promise<Value> {
    return Promise.race([
      answer,
      sleep(STORE_TIMEOUT_MS).then((): never => {
        throw new Error(`The store of limits has not answered within ${STORE_TIMEOUT_MS} ms.`)
      }),
    ])
  }

  async function takeWaiting(spend: Spend): Promise<Verdict> {
    const { cost, counter } = spend
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const now = nowMs()
      const slice = sliceOf(spend, now)
      const outcome = takeFrom(slice, cost, now)
      if (outcome !== 'ask') return verdictOf(outcome, slice, now)
      waiting.set(slice, (waiting.get(slice) ?? 0) + cost)
      try {
        // In its own time as well: another request's context, and its timer, may have ended with that request.
        await Promise.race([askFor(slice, cost - slice.left, now), sleep(STORE_TIMEOUT_MS + 100)])
      } finally {
        const rest = (waiting.get(slice) ?? 0) - cost
        if (rest > 0) waiting.set(slice, rest)
        else waiting.delete(slice)
      }
    }
    return { kind: 'failed', counter, cause: new Error(`The store of limits gave too little ${ROUNDS_MAX} times.`) }
  }

  function verdictOf(outcome: 'taken' | 'refused' | 'failed', slice: Slice, now: number): Verdict {
    if (outcome === 'taken') return TAKEN
    if (outcome === 'refused') return { kind: 'refused', counter: slice.counter, nowMs: now }
    return { kind: 'failed', counter: slice.counter, cause: causes.get(slice) }
  }

  async function takeRest(spends: readonly Spend[], taken: Spend[], now: number): Promise<Verdict> {
    const rest = spends.filter((spend) => !taken.includes(spend))
    const verdicts = await Promise.all(rest.map(takeWaiting))
    const against = verdicts.find(({ kind }) => kind === 'refused') ?? verdicts.find(({ kind }) => kind === 'failed')
    if (!against) return TAKEN
    refund([...taken, ...rest.filter((_, index) => verdicts[index]?.kind === 'taken')], now)
    return against
  }

  function refund(spends: readonly Spend[], takenAtMs: number): void {
    for (const spend of spends) adjust(spend, -spend.cost, takenAtMs)
  }

  function adjust(spend: Spend, more: number, takenAtMs: number): void {
    const now = nowMs()
    correct(sliceOf(spend, now), more, windowStartOf(spend.counter.windowMs, takenAtMs), now)
    tidySoon(now)
  }

  function tidySoon(now: number): void {
    if (now - tidyingSinceMs < TIDY_TAKEN_OVER_MS) return
    tidyingSinceMs = now
    waitUntil(tidy(now))
  }

  async function tidy(sinceMs: number): Promise<void> {
    for (let round = 0; round < TIDY_ROUNDS && slices.size > 0 && tidyingSinceMs === sinceMs; round++) {
      await sleep(TIDY_EVERY_MS)
      const now = nowMs()
      await Promise.all([...slices].map(([key, slice]) => giveBackIdle(key, slice, now)))
    }
    if (tidyingSinceMs === sinceMs) tidyingSinceMs = Number.NEGATIVE_INFINITY
  }

  async function giveBackIdle(key: string, slice: Slice, now: number): Promise<void> {
    const { counter, windowStartMs } = slice
    const isScarce = slice.remaining <= counter.amount * PLENTY
    if (now - slice.usedAtMs < (isScarce ? IDLE_MS_SCARCE : IDLE_MS) || asking.has(slice)) return
    if (windowStartOf(counter.windowMs, now) !== windowStartMs || (slice.left === 0 && slice.debt === 0)) {
      // What was refused is remembered to the end of its window.
      if (now >= slice.askAgainAtMs) forget(key)
      return
    }
    const unused = slice.left - slice.debt
    slice.left = 0
    slice.debt = 0
    try {
      if (unused > 0) await inTime(store.giveBack(counter, windowStartMs, unused))
      else if (unused < 0) await inTime(store.take(counter, windowStartMs, { need: 0, want: 0, spent: -unused }))
    } catch (cause) {
      // Closed by policy: what cannot be given back counts as used.
      causes.set(slice, cause)
    }
  }

  return {
    take(spends) {
      const now = nowMs()
      const taken: Spend[] = []
      for (const spend of spends) {
        const slice = sliceOf(spend, now)
        const outcome = takeFrom(slice, spend.cost, now)
        if (outcome === 'taken') {
          taken.push(spend)
          if (isLow(slice, now)) void askFor(slice, spend.typicalCost, now)
        } else if (outcome !== 'ask') {
          refund(taken, now)
          return verdictOf(outcome, slice, now)
        }
      }
      tidySoon(now)
      return taken.length === spends.length ? TAKEN : takeRest(spends, taken, now)
    },
    refund,
    correct: adjust,
    standing(counter) {
      const now = nowMs()
      const startMs = windowStartOf(counter.windowMs, now)
      const slice = slices.get(keyOf(counter))
      const isCurrent = slice !== undefined && slice.windowStartMs === startMs
      return {
        remaining: isCurrent ? Math.max(0, slice.left + slice.remaining - slice.debt) : counter.amount,
        resetMs: startMs + counter.windowMs - now,
      }
    },
  }
}

const TAKEN: Verdict = { kind: 'taken' }

function keyOf({ owner, name }: Counter): string {
  return `${owner}:${name}`
}
