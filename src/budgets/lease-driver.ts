/**
 * Carries a lease's reports to the ledger: in the background for the usual request, awaited by one that finds too little. One report
 * at a time; one that is not answered is sent again, by whoever comes next, for the request that sent it may be gone with its call.
 */
import type { Amount } from './budget.ts'
import type { Lease, Need, Slot } from './lease.ts'
import type { LedgerAnswer, LedgerReport } from './ledger-wire.ts'

export type DriverOptions = {
  /** Makes the call in the context of the present request: stubs may not be shared between requests. */
  exchange(report: LedgerReport): Promise<LedgerAnswer>
  /** Keeps the present request's context alive after its response. */
  waitUntil(promise: Promise<unknown>): void
  nowMs(): number
  sleep(ms: number): Promise<void>
}

export type Acquired =
  | 'met'
  /** What is spent leaves no room. */
  | 'spent'
  /** Answers that run hold it, and gave nothing back in time. */
  | 'held'
  | 'count'
  | 'unavailable'

export type LeaseDriver = {
  /** Has what is due told in the background. Never throws, never waits. */
  soon(): void
  /**
   * Takes the amounts as soon as the ledger grants them. Asks again while others hold what may come free, until `waitMs` are over.
   * Does not wait in vain: where nobody else holds any, and no more answers run here than `running`, the asking one's own.
   * `isGone`: nobody needs them any more. Never rejects.
   */
  acquire(
    slots: readonly Slot[],
    amount: Amount,
    unproven: boolean,
    waitMs: number,
    isGone: () => boolean,
    running: 0 | 1,
  ): Promise<Acquired>
}

/** A call that takes longer is taken for lost: the context that made it may have ended. */
const ABANDONED_AFTER_MS = 3_000
/** A call that fails is made again for so long before a request hears that the ledger cannot be asked. */
const UNANSWERED_MS = 2_000
/** Between two questions of those who wait for others' returns. */
const ASK_AGAIN_MS = 250
/** What the isolate itself had left is back by then: it is told with one report, which may not be the next one. */
const VAIN_ROUNDS = 3
/** An unreachable ledger is asked again after this; requests that cannot wait are refused meanwhile. */
const RETRY_MS = 1_000
const FAILURES_TOLD_EVERY_MS = 60_000

export function leaseDriver(lease: Lease, options: DriverOptions): LeaseDriver {
  const { exchange, waitUntil, nowMs, sleep } = options
  let flight: { startedAtMs: number; done: Promise<boolean> } | undefined
  let failedAtMs = Number.NEGATIVE_INFINITY
  let toldAtMs = Number.NEGATIVE_INFINITY
  /** The present watch, and when it wakes. Older ones end when they wake. */
  let watches = 0
  let wakesAtMs = Number.NEGATIVE_INFINITY

  /** Whether a report was answered. Joins the one that is under way. */
  function tell(): Promise<boolean> {
    if (flight && nowMs() - flight.startedAtMs < ABANDONED_AFTER_MS) return flight.done
    const mine = { startedAtMs: nowMs(), done: send() }
    flight = mine
    void mine.done.then(() => {
      if (flight === mine) flight = undefined
    })
    return mine.done
  }

  async function send(): Promise<boolean> {
    try {
      lease.apply(await exchange(lease.report(nowMs())))
      return true
    } catch (cause) {
      failedAtMs = nowMs()
      if (failedAtMs - toldAtMs > FAILURES_TOLD_EVERY_MS) {
        toldAtMs = failedAtMs
        console.warn(JSON.stringify({ level: 'warn', event: 'budget_report_failed', cause: String(cause) }))
      }
      return false
    }
  }

  function dueAtMs(): number | undefined {
    const at = lease.dueAtMs(nowMs())
    return at === undefined ? undefined : Math.max(at, failedAtMs + RETRY_MS)
  }

  /** Tells what is due until nothing is. */
  async function watch(): Promise<void> {
    watches += 1
    const number = watches
    for (let at = dueAtMs(); at !== undefined; at = dueAtMs()) {
      wakesAtMs = at
      if (at > nowMs()) await sleep(at - nowMs())
      if (number !== watches) return
      // Those who waited may have told it meanwhile.
      const stillAt = dueAtMs()
      if (stillAt !== undefined && stillAt <= nowMs()) await tell()
      if (number !== watches) return
    }
    wakesAtMs = Number.NEGATIVE_INFINITY
  }

  function soon(): void {
    // A watch whose request has ended never wakes.
    const isWatched = nowMs() <= wakesAtMs + ABANDONED_AFTER_MS
    if (isWatched && wakesAtMs <= nowMs()) return
    const at = dueAtMs()
    if (at === undefined || (isWatched && wakesAtMs <= at)) return
    waitUntil(watch())
  }

  async function acquire(
    slots: readonly Slot[],
    amount: Amount,
    unproven: boolean,
    waitMs: number,
    isGone: () => boolean,
    running: 0 | 1,
  ): Promise<Acquired> {
    const untilMs = nowMs() + waitMs
    const unansweredUntilMs = Math.max(untilMs, nowMs() + UNANSWERED_MS)
    const need = lease.ask(slots, amount, unproven)
    for (let vainRounds = 0; ; ) {
      const isTold = await round()
      const answered = decided(need)
      if (answered) return orGone(need, answered, isGone)
      // Who asked too late for the report that was under way is in the next one, which is due at once.
      if (isTold && need.state === 'asking' && !isGone()) continue
      const isLate = nowMs() >= (need.state === 'asking' ? unansweredUntilMs : untilMs)
      vainRounds = need.state === 'alone' && lease.running() <= running ? vainRounds + 1 : 0
      if (isLate || vainRounds >= VAIN_ROUNDS || isGone()) {
        lease.drop(need)
        return need.state === 'asking' ? 'unavailable' : 'held'
      }
      await sleep(ASK_AGAIN_MS)
      const meanwhile = decided(need)
      if (meanwhile) return orGone(need, meanwhile, isGone)
    }
  }

  /** Nobody is left to give what was granted back. */
  function orGone(need: Need, answered: Acquired, isGone: () => boolean): Acquired {
    if (answered === 'met' && isGone()) {
      if (need.unproven) lease.proven(need.slots, need.amount)
      lease.release(need.slots, need.amount)
    }
    return answered
  }

  /** One report, ours or the one that is under way; that one's context may end, and nothing would wake us. */
  function round(): Promise<boolean> {
    if (!flight) return tell()
    return Promise.race([tell(), sleep(ABANDONED_AFTER_MS).then(() => false)])
  }

  return { soon, acquire }
}

/** A need that was put back into the queue is not. */
function decided({ state }: Need): Acquired | undefined {
  return state === 'met' || state === 'spent' || state === 'count' ? state : undefined
}
