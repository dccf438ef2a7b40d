/** What is known of one deployment in a region, from the reports of its isolates and from active checks. Pure; times are those of one clock. */
import { type Breaker, breaker } from './breaker.ts'
import type { Described, Endpoints, News } from './health-wire.ts'

/** An isolate with calls in flight reports every 10 s at least. One that was silent for longer is gone, with its calls. */
const ISOLATE_HEARD_MS = 30_000
/** Weight of a report against all before it, for each call it tells of. */
const NEW_WEIGHT = 0.1
/** Of 2 failed checks in a row, so that a lost packet closes nothing. */
const CHECKS_FAILED = 2
/** How long the rates of /admin/health look back. */
const RATE_MS = 10_000

export type LastCheck = { atMs: number; ok: boolean; ms: number; code: string }

export type RegionDeployment = {
  readonly id: string
  described: Described
  readonly breaker: Breaker
  /** It said so itself; or it announces itself, and has not yet or no more. */
  isDraining(): boolean
  /** Waits here, each in the queues of all deployments that would do. */
  queued: number
  lastFailure: { code: string; atMs: number } | undefined
  lastCheck: LastCheck | undefined
  hear(isolateId: string, news: News, nowMs: number): void
  /** A place for the queue. A try: its breaker is open, and this call may find out. */
  place(nowMs: number): 'free' | 'try' | undefined
  /** Gives the place that `place` said there is. */
  grant(isolateId: string, nowMs: number): void
  /** The place was given to somebody who is gone. */
  takeBack(isolateId: string): void
  mayTry(nowMs: number): boolean
  checked(check: LastCheck, startedAtMs: number): void
  inFlight(nowMs: number, except?: string): number
  /** Milliseconds until a place may be free, 0 for now, undefined when nobody can say. */
  freeInMs(nowMs: number): number | undefined
  busyForMs(nowMs: number): number
  latencyMs(): number | undefined
  perSecond(nowMs: number): { requests: number; failures: number }
}

export function regionDeployment(
  id: string,
  described: Described,
  { random, endpoints }: { random: () => number; endpoints: () => Endpoints | undefined },
): RegionDeployment {
  const gate = breaker(random)
  const isolates = new Map<string, { inFlight: number; given: number; atMs: number }>()
  const rates: { atMs: number; requests: number; failures: number }[] = []
  let busyUntilMs = Number.NEGATIVE_INFINITY
  let callMs: number | undefined
  let firstEventMs: number | undefined
  let failedChecks = 0
  let beganAtMs = Number.NEGATIVE_INFINITY
  /** After it said that it is busy, the queue is let go one by one, and faster with each that is answered. */
  let credit = Number.POSITIVE_INFINITY
  let grantedAtMs = Number.NEGATIVE_INFINITY

  function inFlight(nowMs: number, except?: string): number {
    let sum = 0
    for (const [isolateId, isolate] of isolates) {
      if (nowMs - isolate.atMs > ISOLATE_HEARD_MS) isolates.delete(isolateId)
      else if (isolateId !== except) sum += isolate.inFlight + isolate.given
    }
    return sum
  }

  function mayTry(nowMs: number): boolean {
    const opening = gate.opening()
    if (self.isDraining() || !opening || gate.phase(nowMs) !== 'due') return false
    // Where it is asked whether it is well, no caller's call need find out that it is not.
    const { check } = self.described
    const last = self.lastCheck
    if (!check || !last) return true
    if (nowMs - Math.max(last.atMs, opening.sinceMs) > 2 * checkEveryMs(check.intervalMs, true) + 1_000) return true
    return last.ok && last.atMs >= opening.sinceMs
  }

  const self: RegionDeployment = {
    id,
    described,
    breaker: gate,
    isDraining() {
      const heardOf = endpoints()
      const isMissing = self.described.isAnnounced && heardOf !== undefined && heardOf[id] === undefined
      return isMissing || heardOf?.[id]?.draining === true || self.lastCheck?.code === 'draining'
    },
    queued: 0,
    lastFailure: undefined,
    lastCheck: undefined,

    hear(isolateId, news, nowMs) {
      const isKnown = isolates.has(isolateId)
      const given = Math.max(0, (isolates.get(isolateId)?.given ?? 0) - news.placesTaken)
      isolates.set(isolateId, { inFlight: news.inFlight, given, atMs: nowMs })
      self.described = news.described
      if (news.started + news.failed > 0) {
        rates.push({ atMs: nowMs, requests: news.started, failures: news.failed })
        while (rates[0] && nowMs - rates[0].atMs > RATE_MS) rates.shift()
      }
      if (news.began > 0) {
        beganAtMs = nowMs
        firstEventMs = mixed(firstEventMs, news.firstEventMs, news.began)
      }
      if (news.ended > 0) callMs = mixed(callMs, news.endedMs / news.ended, news.ended)
      credit += news.began + news.ended
      if (news.lastFailure) self.lastFailure = { code: news.lastFailure.code, atMs: nowMs - news.lastFailure.agoMs }
      if (news.busyForMs !== undefined && nowMs + news.busyForMs > busyUntilMs) {
        busyUntilMs = nowMs + news.busyForMs
        credit = 1
      }
      if (news.recovered) gate.close()
      else if (news.gaveUp) gate.endTry()
      gate.count(nowMs, { ok: news.ok, failed: news.failed, ...(news.lastFailure && { code: news.lastFailure.code }) })
      // One isolate's is all isolates'. What it opened while this object knew of it already is the same trouble, unless it was the try.
      const isUnheard = !isKnown && !gate.opening()
      if (news.open && (news.open.isNew || isUnheard)) {
        if (gate.opening() === undefined) gate.open(nowMs, news.open.code, news.open.forMs)
        else if (nowMs >= (gate.opening()?.untilMs ?? 0)) gate.open(nowMs, news.open.code)
      }
    },

    place(nowMs) {
      if (self.isDraining() || nowMs < busyUntilMs) return undefined
      if (gate.phase(nowMs) !== 'closed') return mayTry(nowMs) ? 'try' : undefined
      const { inFlightMax } = self.described
      if (inFlightMax !== undefined && inFlight(nowMs) >= inFlightMax) return undefined
      // A call whose isolate died tells nothing: then a second later another one may go.
      return credit > 0 || nowMs - grantedAtMs > 1_000 ? 'free' : undefined
    },

    grant(isolateId, nowMs) {
      if (gate.phase(nowMs) === 'due') gate.beginTry(nowMs)
      const isolate = isolates.get(isolateId) ?? { inFlight: 0, given: 0, atMs: nowMs }
      isolates.set(isolateId, { ...isolate, given: isolate.given + 1 })
      credit = Math.max(0, credit - 1)
      grantedAtMs = nowMs
    },

    takeBack(isolateId) {
      const isolate = isolates.get(isolateId)
      if (isolate && isolate.given > 0) isolate.given -= 1
      credit += 1
      gate.endTry()
    },

    mayTry,

    checked(check, startedAtMs) {
      self.lastCheck = check
      const isBack = check.ok && failedChecks > 0
      failedChecks = check.ok ? 0 : failedChecks + 1
      const opening = gate.opening()
      // Sooner than it was hoped for: a call may find out. Not where it was well all the time and its model fails.
      if (isBack && opening) gate.hear(check.atMs, 0, opening.code)
      if (check.ok) return
      if (opening) {
        if (check.atMs >= opening.untilMs) gate.open(check.atMs, check.code)
      } else if (failedChecks >= CHECKS_FAILED && beganAtMs < startedAtMs) {
        gate.open(check.atMs, check.code)
      }
      self.lastFailure = { code: check.code, atMs: check.atMs }
    },

    inFlight,

    freeInMs(nowMs) {
      if (self.isDraining()) return undefined
      const opening = gate.opening()
      const closedMs = Math.max(0, busyUntilMs - nowMs, opening ? opening.untilMs - nowMs : 0)
      const { inFlightMax } = self.described
      if (inFlightMax === undefined || inFlight(nowMs) + self.queued < inFlightMax) return closedMs
      // So many calls must end before, and of as many as there may be one ends in a share of their time.
      return closedMs + ((self.queued + 1) * (callMs ?? 0)) / inFlightMax
    },

    busyForMs: (nowMs) => Math.max(0, busyUntilMs - nowMs),
    latencyMs: () => firstEventMs,

    perSecond(nowMs) {
      const recent = rates.filter(({ atMs }) => nowMs - atMs <= RATE_MS)
      const sum = (of: 'requests' | 'failures') => recent.reduce((total, rate) => total + rate[of], 0)
      return { requests: sum('requests') / (RATE_MS / 1_000), failures: sum('failures') / (RATE_MS / 1_000) }
    },
  }
  return self
}

/** While it is open every 2 s at least: by this it is seen to be back. */
export function checkEveryMs(intervalMs: number, isOpen: boolean): number {
  return isOpen ? Math.min(intervalMs, 2_000) : intervalMs
}

/** An exponentially weighted mean, moved by `count` values of this mean. */
function mixed(mean: number | undefined, value: number, count: number): number {
  return mean === undefined ? value : value + (mean - value) * (1 - NEW_WEIGHT) ** count
}
