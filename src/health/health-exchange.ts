/**
 * Carries an isolate's reports to the Health object of its region and brings back what all know together, off the request path: once a
 * second while there is news. Open by policy: while the object does not answer, the isolate is its own region, and goes on with what
 * it sees itself.
 */
import type { HealthAnswer, HealthObject, HealthReport, WaitAnswer, WaitAsk } from './health-wire.ts'

const EXCHANGE_EVERY_MS = 1_000
/** While others wait for places an end is told at once, but not each of a hundred that come together. */
const PROMPT_MS = 20
/** Calls in flight are told again so often, else the object takes them for gone. */
const KEEP_TELLING_MS = 10_000
const EXCHANGE_TIMEOUT_MS = 2_000
/** After a failure the object is left alone so long. */
const REST_MS = 5_000
/** A request's context may die with its timer in it. After this long another request takes over. */
const ABANDONED_AFTER_MS = 5_000
/** How long beyond its time a place is waited for that the object does not give. */
const WAIT_SLACK_MS = 1_000

export type HealthExchange = {
  /** Has a report sent in the background. Never throws, never waits. */
  soon(): void
  /** Sends one now. Rejects when the object does not answer. */
  now(): Promise<void>
  wait(ask: Omit<WaitAsk, 'report'>, signal: AbortSignal): Promise<WaitAnswer>
}

/**
 * `remote` makes a stub for the current request: stubs may not be shared between requests. `alone` is what stands in for it.
 * `takeReport`: undefined while nothing is to be told.
 */
export function healthExchange(options: {
  remote: () => HealthObject
  alone: () => HealthObject
  takeReport: (isNeeded: boolean) => HealthReport | undefined
  putBack: (report: HealthReport) => void
  hear: (answer: HealthAnswer) => void
  /** Whether calls are in flight; whether somebody waits for one to end. */
  isBusy: () => boolean
  isAwaited: () => boolean
  waitUntil: (promise: Promise<unknown>) => void
  nowMs: () => number
  sleep: (ms: number) => Promise<void>
}): HealthExchange {
  const { remote, alone, takeReport, putBack, hear, isBusy, isAwaited, waitUntil, nowMs, sleep } = options
  let everyMs = EXCHANGE_EVERY_MS
  let lastAtMs = Number.NEGATIVE_INFINITY
  /** A report is to go at `atMs`; `number` tells it from one that was put in its place. */
  let scheduled: { number: number; atMs: number } | undefined
  let scheduledEver = 0
  let isMore = false
  let restUntilMs = Number.NEGATIVE_INFINITY

  async function bounded<Value>(ms: number, asked: Promise<Value>): Promise<Value> {
    let isOver = false
    const late = sleep(ms).then(() => {
      if (!isOver) throw new Error(`No answer within ${ms} ms.`)
      return asked
    })
    try {
      return await Promise.race([asked, late])
    } finally {
      isOver = true
    }
  }

  async function exchange(isNeeded: boolean): Promise<void> {
    const report = takeReport(isNeeded)
    if (!report) return
    lastAtMs = nowMs()
    if (lastAtMs < restUntilMs) return hear(await alone().exchange(report))
    try {
      const answer = await bounded(EXCHANGE_TIMEOUT_MS, remote().exchange(report))
      everyMs = Math.max(EXCHANGE_EVERY_MS, answer.nextInMs)
      hear(answer)
    } catch (cause) {
      restUntilMs = nowMs() + REST_MS
      putBack(report)
      throw cause
    }
  }

  function schedule(afterMs: number): void {
    const atMs = nowMs() + afterMs
    if (scheduled && scheduled.atMs <= atMs && nowMs() - scheduled.atMs < ABANDONED_AFTER_MS) return
    scheduledEver += 1
    const number = scheduledEver
    scheduled = { number, atMs }
    waitUntil(run(number, afterMs))
  }

  async function run(number: number, afterMs: number): Promise<void> {
    await sleep(afterMs)
    // An earlier one took its place.
    if (scheduled?.number !== number) return
    isMore = false
    try {
      await exchange(true)
    } catch (cause) {
      console.warn(JSON.stringify({ level: 'warn', event: 'health_exchange_failed', cause: String(cause) }))
      isMore = true
    }
    if (scheduled?.number !== number) return
    scheduled = undefined
    if (isMore) soon()
    else if (isBusy()) schedule(KEEP_TELLING_MS)
  }

  function soon(): void {
    isMore = true
    const pauseMs = isAwaited() ? PROMPT_MS : Math.max(0, lastAtMs + everyMs - nowMs())
    schedule(pauseMs)
  }

  return {
    soon,
    now: () => exchange(true),

    async wait(ask, signal) {
      const report = takeReport(true)
      if (!report) throw new Error('A report that is needed is made.')
      const asked = { ...ask, report }
      const leaving = (object: HealthObject) => () => void object.leave(ask.waiterId).catch(() => undefined)
      const from = async (object: HealthObject, timeoutMs: number): Promise<WaitAnswer> => {
        const leave = leaving(object)
        signal.addEventListener('abort', leave, { once: true })
        try {
          return await bounded(timeoutMs, object.wait(asked))
        } finally {
          signal.removeEventListener('abort', leave)
        }
      }
      const timeoutMs = ask.forMs + WAIT_SLACK_MS
      if (nowMs() < restUntilMs) return from(alone(), timeoutMs)
      const startedAtMs = nowMs()
      try {
        return await from(remote(), timeoutMs)
      } catch {
        restUntilMs = nowMs() + REST_MS
        const leftMs = ask.forMs - (nowMs() - startedAtMs)
        if (leftMs <= 0) return { kind: 'refused', retryAfterSeconds: 1 }
        return from(alone(), leftMs + WAIT_SLACK_MS)
      }
    },
  }
}
