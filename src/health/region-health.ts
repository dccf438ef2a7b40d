/**
 * The health of all deployments in one region: what the Health object is, without its platform, and what an isolate makes for itself
 * while that object does not answer. Everything is in memory; who forgets it is told again within a second.
 */
import type { HealthAnswer, HealthObject, HealthReport, Shared, WaitAnswer, WaitAsk } from './health-wire.ts'
import { checkEveryMs, type LastCheck, type RegionDeployment, regionDeployment } from './region-deployment.ts'
import { type Waiter, waitQueue } from './wait-queue.ts'

/** Reports a second that one object takes: far below what it can do. Above it isolates report less often, and hear of others later. */
const REPORTS_PER_SECOND = 200
const REPORT_EVERY_MS = 1_000
/** Nobody called it for so long: it is forgotten, and not checked any more. */
export const ASKED_KEPT_MS = 300_000
/** Who waits looks again so often, though nothing was heard. */
const LOOK_AGAIN_MS = 1_000
/** About as long as an opening lasts, or a server takes to be replaced. */
const RETRY_SECONDS_UNKNOWN = 10
const CHECK_EARLY_MS = 100
const RETRY_SECONDS_MAX = 3_600
/** Answers on their way to isolates: far more than can be. */
const PLACED_KEPT = 1_000

type Waiting = Waiter & { isolateId: string; settle: (answer: WaitAnswer) => void; given?: RegionDeployment }

export type RegionHealth = HealthObject & {
  deployments(): ReadonlyMap<string, RegionDeployment>
  /** Which are to be asked now whether they are well. Each that is told counts as asked. */
  dueChecks(nowMs: number): { id: string; url: string }[]
  /** Undefined: none is to be asked. */
  nextCheckAtMs(nowMs: number): number | undefined
  checked(id: string, check: LastCheck, startedAtMs: number): void
  queueLength(): number
  /** Serves whom it can. After whatever may have freed a place. */
  serve(): void
}

export function regionHealth(options: {
  random: () => number
  nowMs: () => number
  sleep: (ms: number) => Promise<void>
  endpoints?: () => HealthAnswer['endpoints']
}): RegionHealth {
  const { random, nowMs, sleep, endpoints = () => undefined } = options
  const deployments = new Map<string, RegionDeployment>()
  const askedAtMs = new Map<string, number>()
  const checkedAtMs = new Map<string, number>()
  const isolates = new Map<string, number>()
  const queue = waitQueue<Waiting>()
  /** Those that were given a place whose answer may still be lost on its way. */
  const placed = new Map<string, Waiting>()

  function hear({ isolateId, news }: HealthReport): void {
    const now = nowMs()
    isolates.set(isolateId, now)
    for (const [id, one] of Object.entries(news)) {
      const deployment = deployments.get(id) ?? regionDeployment(id, one.described, { random, endpoints })
      deployments.set(id, deployment)
      askedAtMs.set(id, now)
      deployment.hear(isolateId, one, now)
    }
    forget(now)
    serve()
  }

  function forget(now: number): void {
    for (const [id, atMs] of askedAtMs) {
      if (now - atMs <= ASKED_KEPT_MS) continue
      for (const map of [deployments, askedAtMs, checkedAtMs]) map.delete(id)
    }
    for (const [id, atMs] of isolates) if (now - atMs > 10 * REPORT_EVERY_MS) isolates.delete(id)
  }

  function sharedWith(isolateId: string, wanted: boolean, deployment: RegionDeployment): Shared {
    const now = nowMs()
    const opening = deployment.breaker.opening()
    const mayTry = wanted && deployment.mayTry(now)
    if (mayTry) deployment.breaker.beginTry(now)
    return {
      ...(opening && { open: { forMs: Math.max(0, opening.untilMs - now), code: opening.code } }),
      mayTry,
      busyForMs: deployment.busyForMs(now),
      othersInFlight: deployment.inFlight(now, isolateId),
      queued: deployment.queued,
      latencyMs: deployment.latencyMs(),
      draining: deployment.isDraining(),
    }
  }

  function serve(): void {
    if (queue.size() === 0) return
    const now = nowMs()
    queue.serve((waiting) => {
      const found = waiting.deploymentIds
        .map((id) => deployments.get(id))
        .find((deployment) => deployment?.place(now) !== undefined)
      if (!found) return false
      const isTry = found.place(now) === 'try'
      found.grant(waiting.isolateId, now)
      waiting.given = found
      placed.set(waiting.id, waiting)
      if (placed.size > PLACED_KEPT) placed.delete(placed.keys().next().value ?? '')
      waiting.settle({ kind: 'place', deploymentId: found.id, isTry })
      return true
    })
  }

  function checkAtMs(id: string, now: number): number {
    const deployment = deployments.get(id)
    const lastAtMs = checkedAtMs.get(id)
    if (!deployment?.described.check || lastAtMs === undefined) return now
    return lastAtMs + checkEveryMs(deployment.described.check.intervalMs, deployment.breaker.opening() !== undefined)
  }

  function count(deploymentIds: readonly string[], by: 1 | -1): void {
    for (const id of deploymentIds) {
      const deployment = deployments.get(id)
      if (deployment) deployment.queued += by
    }
  }

  return {
    deployments: () => deployments,
    queueLength: queue.size,
    serve,

    async exchange(report) {
      hear(report)
      const wanted = (id: string) => report.news[id]?.wanted === true
      return {
        nextInMs: Math.max(REPORT_EVERY_MS, Math.ceil((isolates.size / REPORTS_PER_SECOND) * 1_000)),
        // Of others only what is worth knowing: there may be hundreds.
        shared: Object.fromEntries(
          [...deployments].flatMap(([id, deployment]) => {
            const shared = sharedWith(report.isolateId, wanted(id), deployment)
            return report.news[id] || isWorthKnowing(shared) ? [[id, shared]] : []
          }),
        ),
        endpoints: endpoints(),
      }
    },

    async wait({ waiterId, report, deploymentIds, tenantId, forMs }: WaitAsk): Promise<WaitAnswer> {
      hear(report)
      const startMs = nowMs()
      const all = deploymentIds.flatMap((id) => deployments.get(id) ?? [])
      const waitMs = Math.min(forMs, Math.max(0, ...all.map(({ described }) => described.queue.waitMs)))
      const soonest = Math.min(...all.map((one) => one.freeInMs(startMs) ?? Number.POSITIVE_INFINITY))
      const refused = (): WaitAnswer => ({ kind: 'refused', retryAfterSeconds: secondsOf(soonest) })
      const hasRoom = all.some(({ queued, described }) => queued < described.queue.length)
      const isFree = queue.size() === 0 && all.some((one) => one.place(startMs) !== undefined)
      if (!isFree && (!hasRoom || soonest > waitMs)) return refused()

      const ids = all.map(({ id }) => id)
      let answer: WaitAnswer | undefined
      let wake = (): void => undefined
      const settle = (given: WaitAnswer) => {
        answer ??= given
        wake()
      }
      queue.add({ id: waiterId, tenantId, deploymentIds: ids, isolateId: report.isolateId, settle })
      count(ids, 1)
      try {
        serve()
        // Each who waits has a timer of his own: where there is no object, a timer ends with the request that set it.
        for (let now = nowMs(); !answer && now < startMs + waitMs; now = nowMs()) {
          const next = Math.min(...all.map((one) => one.freeInMs(now) ?? LOOK_AGAIN_MS).filter((ms) => ms > 0))
          const woken = new Promise<void>((resolve) => {
            wake = resolve
          })
          await Promise.race([
            woken,
            sleep(Math.min(startMs + waitMs - now, Math.max(10, Math.min(next, LOOK_AGAIN_MS)))),
          ])
          serve()
        }
        return answer ?? refused()
      } finally {
        queue.remove(waiterId)
        count(ids, -1)
      }
    },

    async leave(waiterId) {
      queue.remove(waiterId)?.settle({ kind: 'refused', retryAfterSeconds: 1 })
      const waiting = placed.get(waiterId)
      placed.delete(waiterId)
      waiting?.given?.takeBack(waiting.isolateId)
      serve()
    },

    dueChecks(now) {
      forget(now)
      return [...deployments].flatMap(([id, { described }]) => {
        // A little early is on time: alarms are not exact, and otherwise would ring twice.
        if (!described.check || checkAtMs(id, now) > now + CHECK_EARLY_MS) return []
        checkedAtMs.set(id, now)
        return [{ id, url: described.check.url }]
      })
    },

    nextCheckAtMs(now) {
      const times = [...deployments].flatMap(([id, { described }]) => (described.check ? [checkAtMs(id, now)] : []))
      return times.length === 0 ? undefined : Math.min(...times)
    },

    checked(id, check, startedAtMs) {
      deployments.get(id)?.checked(check, startedAtMs)
      serve()
    },
  }
}

function isWorthKnowing({ open, busyForMs, othersInFlight, queued, draining }: Shared): boolean {
  return open !== undefined || draining || busyForMs + othersInFlight + queued > 0
}

/** Infinite: nobody can say. */
function secondsOf(ms: number): number {
  if (ms === Number.POSITIVE_INFINITY) return RETRY_SECONDS_UNKNOWN
  return Math.min(RETRY_SECONDS_MAX, Math.max(1, Math.ceil(ms / 1_000)))
}
