/**
 * Whether a deployment may be called. Closed while it answers; opens when it fails in a row or too often; when its time is over one call
 * may try (`due`), and the first event of that call closes it. Pure but for the chance that it is made with. Times are milliseconds of
 * whatever clock the caller has, always the same one.
 */
import type { ErrorCode } from '../errors.ts'

/** One failure is a blip, two are bad luck; a retry elsewhere costs each of them some milliseconds. */
export const FAILURES_IN_ROW = 3
/** Half of what was asked, but of so many at least: of two calls one failure is no rate. */
const FAILED_SHARE = 0.5
const RATE_CALLS_MIN = 10
const RATE_WINDOW_MS = 10_000
/** The first opening is short, for most troubles are: a restart, a deployment. */
const OPEN_MS_FIRST = 1_000
/** With the jitter 10 s at most, so that traffic is back within 15 s of a recovery: then come a try and telling the others. */
const OPEN_MS_MOST = 8_000
const JITTER = 0.25
/** A try that has said nothing by now is another's turn: the caller of it may be gone. Most first tokens come sooner. */
export const TRY_MS = 3_000

export type Breaker = {
  phase(nowMs: number): 'closed' | 'open' | 'due'
  /** While it is open: since when, until when, why, and how many times in a row. */
  opening(): { sinceMs: number; untilMs: number; code: string; times: number } | undefined
  /** Another number after each time it opened: a call of an earlier one tells of another time. */
  generation(): number
  /** The one call that may try has begun. */
  beginTry(nowMs: number): void
  /** It ended and said nothing of the deployment. */
  endTry(): void
  /** Calls that ended; while it is open they tell nothing new. @returns whether it opened */
  count(nowMs: number, calls: { ok: number; failed: number; code?: ErrorCode; rated?: boolean }): boolean
  /** The call that tried failed, or somebody else's did: opens for longer than the last time, `forMs` where another has decided. */
  open(nowMs: number, code: string, forMs?: number): void
  /** What another knows: open for so long, but no new failure. */
  hear(nowMs: number, forMs: number, code: string): void
  /** The call that tried has begun to answer. One failure opens it again, until a call has ended well. */
  close(): void
}

export function breaker(random: () => number): Breaker {
  let opened: { sinceMs: number; untilMs: number; code: string } | undefined
  let tryingSinceMs: number | undefined
  let times = 0
  let generation = 0
  let inRow = 0
  const window: { atMs: number; ok: number; failed: number }[] = []

  function open(nowMs: number, code: string, forMs?: number): void {
    times += 1
    generation += 1
    const grown = Math.min(OPEN_MS_FIRST * 2 ** (times - 1), OPEN_MS_MOST)
    opened = { sinceMs: nowMs, untilMs: nowMs + (forMs ?? grown * (1 - JITTER + 2 * JITTER * random())), code }
    tryingSinceMs = undefined
    window.length = 0
  }

  function rate(nowMs: number, ok: number, failed: number): boolean {
    const last = window.at(-1)
    // A second's calls are one entry, so that the window is short whatever the traffic.
    if (last && nowMs - last.atMs < 1_000) {
      last.ok += ok
      last.failed += failed
    } else window.push({ atMs: nowMs, ok, failed })
    while (window[0] && nowMs - window[0].atMs > RATE_WINDOW_MS) window.shift()
    const failures = window.reduce((sum, entry) => sum + entry.failed, 0)
    const calls = window.reduce((sum, entry) => sum + entry.ok, failures)
    return calls >= RATE_CALLS_MIN && failures >= calls * FAILED_SHARE
  }

  return {
    phase(nowMs) {
      if (!opened) return 'closed'
      if (nowMs < opened.untilMs) return 'open'
      return tryingSinceMs !== undefined && nowMs - tryingSinceMs < TRY_MS ? 'open' : 'due'
    },
    opening: () => opened && { ...opened, times },
    generation: () => generation,
    beginTry(nowMs) {
      tryingSinceMs = nowMs
    },
    endTry() {
      tryingSinceMs = undefined
    },
    count(nowMs, { ok, failed, code = 'upstream_unavailable', rated = true }) {
      if (opened) return false
      if (ok > 0) {
        inRow = 0
        times = 0
      }
      inRow += failed
      const tooOften = rated && rate(nowMs, ok, failed)
      if (failed === 0 || (inRow < FAILURES_IN_ROW && !tooOften)) return false
      open(nowMs, code)
      return true
    },
    open,
    hear(nowMs, forMs, code) {
      if (!opened) generation += 1
      opened = { sinceMs: opened?.sinceMs ?? nowMs, untilMs: nowMs + forMs, code }
    },
    close() {
      if (opened) inRow = FAILURES_IN_ROW - 1
      opened = undefined
      tryingSinceMs = undefined
    },
  }
}
