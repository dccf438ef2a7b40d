/** What one isolate knows of one deployment: of its own calls, and what the Health object told it. Pure; all of it is in memory. */
import type { CallInFlight, HealthView } from '../chat/ports.ts'
import { breaker } from './breaker.ts'
import type { Described, News, Shared } from './health-wire.ts'
import { verdictOn } from './verdict.ts'

/** Where a deployment says that it is busy and not for how long: each time in a row twice as long. */
const BUSY_MS_FIRST = 1_000
const BUSY_MS_MOST = 8_000
const ROUND_TRIP_MS_MOST = 500
/** Weight of one call's time to the first event against all before it: the last ten or so count. */
const NEW_WEIGHT = 0.2

/** What happened since the last report. */
type Untold = Omit<News, 'described' | 'inFlight'>

export type KnownDeployment = {
  view(nowMs: number): HealthView
  /** `given`: the queue gave the place, so that it is not asked for here. */
  enter(nowMs: number, given?: { isTry: boolean }): CallInFlight | undefined
  hear(shared: Shared | undefined, nowMs: number): void
  inFlight(): number
  /** To be told of, though nothing happened. */
  touch(): void
  hasNews(): boolean
  /** What was not told yet, which counts as told. */
  takeNews(nowMs: number): News
  /** It did not arrive. */
  putBack(news: News): void
}

export function knownDeployment(
  described: () => Described,
  { random, nowMs: clock, changed }: { random: () => number; nowMs: () => number; changed: () => void },
): KnownDeployment {
  const gate = breaker(random)
  let inFlight = 0
  let latencyMs: number | undefined
  let busyUntilMs = Number.NEGATIVE_INFINITY
  let busyInRow = 0
  let shared: Shared | undefined
  /** The object lets this isolate try. */
  let mayTry = false
  /** A try of this isolate is under way. */
  let isTrying = false
  /** Calls of this isolate opened it: what it only heard it need not tell. */
  let isOwnOpening = false
  let news = nothingNew()
  let isNews = false

  function openedHere(code: string): void {
    news.open = { forMs: 0, code, isNew: true }
    isOwnOpening = true
  }

  function stateOf(nowMs: number): HealthView['state'] {
    if (shared?.draining) return 'draining'
    if (gate.phase(nowMs) !== 'closed') return mayTry && gate.phase(nowMs) === 'due' ? 'probing' : 'open'
    if (nowMs < busyUntilMs) return 'open'
    const { inFlightMax } = described()
    const queued = shared?.queued ?? 0
    // Who comes now does not pass those who wait.
    if (queued > 0) return 'full'
    return inFlightMax !== undefined && inFlight + (shared?.othersInFlight ?? 0) >= inFlightMax ? 'full' : 'well'
  }

  /** Somebody would call it: one such isolate is allowed to try. */
  function want(): void {
    news.wanted = true
    isNews = true
    changed()
  }

  function callOf(isTry: boolean, startedAtMs: number): CallInFlight {
    const generation = gate.generation()
    inFlight += 1
    news.started += 1
    let isOver = false
    let hasBegun = false
    const ended = (nowMs: number) => {
      inFlight -= 1
      news.ended += 1
      news.endedMs += nowMs - startedAtMs
      isNews = true
      changed()
    }
    return {
      firstEvent() {
        if (isOver || hasBegun) return
        hasBegun = true
        const ms = clock() - startedAtMs
        latencyMs = latencyMs === undefined ? ms : latencyMs + (ms - latencyMs) * NEW_WEIGHT
        news.firstEventMs = (news.firstEventMs * news.began + ms) / (news.began + 1)
        news.began += 1
        busyInRow = 0
        if (isTry) recovered()
      },
      end(failure) {
        if (isOver) return
        isOver = true
        const nowMs = clock()
        // It opened or closed since: what this call tells is known. Another's try may have been quicker than this one.
        const isLate = gate.generation() !== generation || (isTry && !hasBegun && !gate.opening())
        switch (verdictOn(failure?.code)) {
          case 'alive':
            news.ok += 1
            if (isTry && !hasBegun) recovered()
            if (!isLate) gate.count(nowMs, { ok: 1, failed: 0 })
            break
          case 'nothing':
            if (isTry && !hasBegun) {
              gate.endTry()
              news.gaveUp = true
            }
            break
          case 'busy':
          case 'overloaded': {
            busyInRow += 1
            const grown = Math.min(BUSY_MS_FIRST * 2 ** (busyInRow - 1), BUSY_MS_MOST) * (0.75 + 0.5 * random())
            const forMs = failure?.retryAfterSeconds === undefined ? grown : failure.retryAfterSeconds * 1_000
            busyUntilMs = Math.max(busyUntilMs, nowMs + forMs)
            news.busyForMs = Math.max(news.busyForMs ?? 0, forMs)
            // It refuses and so is there: its Retry-After is what closes it now.
            if (isTry && !hasBegun) recovered()
            const isOverload = verdictOn(failure?.code) === 'overloaded'
            if (isOverload && !isLate && gate.count(nowMs, { ok: 0, failed: 1, rated: false, ...failure }))
              openedHere('upstream_overloaded')
            break
          }
          case 'failure': {
            const code = failure?.code ?? 'upstream_unavailable'
            news.failed += isLate ? 0 : 1
            news.lastFailure = { code, agoMs: nowMs }
            if (isLate) break
            if (isTry && !hasBegun) {
              gate.open(nowMs, code)
              openedHere(code)
            } else if (gate.count(nowMs, { ok: 0, failed: 1, code })) openedHere(code)
            break
          }
        }
        if (isTry) isTrying = false
        ended(nowMs)
      },
    }
  }

  function closed(): void {
    gate.close()
    isOwnOpening = false
    mayTry = false
  }

  function recovered(): void {
    closed()
    isTrying = false
    news.recovered = true
    delete news.open
    isNews = true
    changed()
  }

  return {
    inFlight: () => inFlight,

    view(nowMs) {
      if (!mayTry && !isTrying && gate.phase(nowMs) === 'due') want()
      const opening = gate.opening()
      const closedUntilMs = Math.max(busyUntilMs, opening?.untilMs ?? Number.NEGATIVE_INFINITY)
      return {
        state: stateOf(nowMs),
        inFlight: inFlight + (shared?.othersInFlight ?? 0),
        latencyMs: latencyMs ?? shared?.latencyMs,
        closedUntilMs: closedUntilMs > nowMs ? closedUntilMs : undefined,
      }
    },

    enter(nowMs, given) {
      const state = stateOf(nowMs)
      if (!given && state !== 'well' && state !== 'probing') {
        return undefined
      }
      const isTry = given ? given.isTry : state === 'probing'
      if (given) news.placesTaken += 1
      if (isTry) {
        mayTry = false
        isTrying = true
        gate.beginTry(nowMs)
      }
      isNews = true
      changed()
      return callOf(isTry, nowMs)
    },

    hear(heard, nowMs) {
      shared = heard
      // Its own comes back a round trip later than it is.
      const heardUntilMs = nowMs + (heard?.busyForMs ?? 0)
      if (heardUntilMs > busyUntilMs + ROUND_TRIP_MS_MOST) busyUntilMs = heardUntilMs
      // What happened here meanwhile is newer.
      if (news.open?.isNew || news.recovered) return
      if (!heard?.open) return closed()
      if (isTrying) return
      mayTry = heard.mayTry
      gate.hear(nowMs, heard.open.forMs, heard.open.code)
    },

    touch() {
      isNews = true
    },

    hasNews: () => isNews || isOwnOpening,

    takeNews(nowMs) {
      const opening = gate.opening()
      const taken: News = { ...news, described: described(), inFlight }
      if (opening && isOwnOpening) {
        const forMs = Math.max(0, opening.untilMs - nowMs)
        taken.open = { forMs, code: opening.code, isNew: news.open?.isNew ?? false }
      } else delete taken.open
      if (taken.lastFailure) taken.lastFailure = { ...taken.lastFailure, agoMs: nowMs - taken.lastFailure.agoMs }
      news = nothingNew()
      isNews = false
      return taken
    },

    putBack({ described: _, inFlight: __, ...lost }) {
      const nowMs = clock()
      const began = lost.began + news.began
      news = {
        ...lost,
        ...news,
        started: lost.started + news.started,
        began,
        ok: lost.ok + news.ok,
        failed: lost.failed + news.failed,
        ended: lost.ended + news.ended,
        endedMs: lost.endedMs + news.endedMs,
        firstEventMs: began === 0 ? 0 : (lost.firstEventMs * lost.began + news.firstEventMs * news.began) / began,
        recovered: (lost.recovered && !news.open) || news.recovered,
        gaveUp: lost.gaveUp || news.gaveUp,
        wanted: lost.wanted || news.wanted,
        placesTaken: lost.placesTaken + news.placesTaken,
      }
      if (lost.lastFailure && news.lastFailure === undefined) {
        news.lastFailure = { ...lost.lastFailure, agoMs: nowMs - lost.lastFailure.agoMs }
      }
      if (!gate.opening()) delete news.open
      isNews = true
    },
  }
}

function nothingNew(): Untold {
  return {
    started: 0,
    began: 0,
    ok: 0,
    failed: 0,
    ended: 0,
    endedMs: 0,
    firstEventMs: 0,
    recovered: false,
    gaveUp: false,
    wanted: false,
    placesTaken: 0,
  }
}
