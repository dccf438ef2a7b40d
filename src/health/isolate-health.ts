/**
 * The port Health of an isolate: everything on the path of a request is synchronous and in memory. What the region's other isolates see
 * comes by health-exchange.ts, in the background.
 */
import type { Deployment, Health } from '../chat/ports.ts'
import { AppError } from '../errors.ts'
import { healthExchange } from './health-exchange.ts'
import type { Check, Described, Endpoints, HealthAnswer, HealthObject, HealthReport } from './health-wire.ts'
import { type KnownDeployment, knownDeployment } from './known-deployment.ts'
import { type RegionHealth, regionHealth } from './region-health.ts'

/** More than any configuration has; of earlier versions those go that nobody calls. */
const KNOWN_MAX = 1_024
/** Where servers are that announce themselves is asked for, where it is not known, for so long at most. */
const ENDPOINTS_WAIT_MS = 1_000

export type IsolateHealth = Health & {
  /** Where a server that announces itself for this deployment is. Undefined: there is none, or nobody can say. Asks once, when this isolate has heard nothing yet. */
  endpointOf(deploymentId: string): string | undefined | Promise<string | undefined>
  /** Tells what is not told yet. Rejects when the object does not answer. */
  report(): Promise<void>
}

type Entry = { now: KnownDeployment; deployment: Deployment }

export function isolateHealth(options: {
  /** The Health object of the region; a stub for the current request. */
  remote: () => HealthObject
  /** How a deployment is asked whether it is well; undefined: not at all. */
  checkOf: (deploymentId: string) => Check | undefined
  /** Whether its URL comes by the heartbeat of the server itself. */
  isAnnounced: (deploymentId: string) => boolean
  waitUntil: (promise: Promise<unknown>) => void
  nowMs: () => number
  random: () => number
  sleep: (ms: number) => Promise<void>
  newId: () => string
}): IsolateHealth {
  const { remote, checkOf, isAnnounced, waitUntil, nowMs, random, sleep, newId } = options
  const known = new Map<string, Entry>()
  const parts = { random, nowMs, changed: () => exchange.soon() }
  let isolateId: string | undefined
  let alone: RegionHealth | undefined
  let endpoints: Endpoints | undefined
  /** The last answer: it tells also of what this isolate has not called yet. */
  let heard: { atMs: number; shared: HealthAnswer['shared'] } | undefined
  let waiting = 0
  let queuedElsewhere = false

  const exchange = healthExchange({
    remote,
    alone() {
      alone ??= regionHealth({ random, nowMs, sleep })
      return alone
    },
    takeReport(isNeeded) {
      // Made late: random numbers are not to be had while an isolate starts.
      isolateId ??= newId()
      const report: HealthReport = { isolateId, news: {} }
      for (const [id, { now }] of known) {
        if (now.hasNews() || now.inFlight() > 0) report.news[id] = now.takeNews(nowMs())
      }
      return isNeeded || Object.keys(report.news).length > 0 ? report : undefined
    },
    putBack({ news }) {
      for (const [id, lost] of Object.entries(news)) known.get(id)?.now.putBack(lost)
    },
    hear,
    isBusy: () => [...known.values()].some(({ now }) => now.inFlight() > 0),
    isAwaited: () => waiting > 0 || queuedElsewhere,
    waitUntil,
    nowMs,
    sleep,
  })

  function hear(answer: HealthAnswer): void {
    endpoints = answer.endpoints ?? endpoints
    heard = { atMs: nowMs(), shared: answer.shared }
    queuedElsewhere = Object.values(answer.shared).some(({ queued }) => queued > 0)
    for (const [id, { now }] of known) now.hear(answer.shared[id], nowMs())
  }

  function of(deployment: Deployment): KnownDeployment {
    const found = known.get(deployment.id)
    if (found) {
      found.deployment = deployment
      return found.now
    }
    const entry: Entry = { deployment, now: knownDeployment(() => describe(entry.deployment), parts) }
    known.set(deployment.id, entry)
    if (heard?.shared[deployment.id]) entry.now.hear(heard.shared[deployment.id], heard.atMs)
    if (known.size > KNOWN_MAX) {
      const idle = [...known].find(([id, { now }]) => id !== deployment.id && now.inFlight() === 0)
      if (idle) known.delete(idle[0])
    }
    return entry.now
  }

  function describe({ id, inFlightMax, queue }: Deployment): Described {
    return { inFlightMax, queue, check: checkOf(id), isAnnounced: isAnnounced(id) }
  }

  /** Its server has not announced itself, as far as anybody has heard. */
  function isMissing({ id }: Deployment): boolean {
    return endpoints !== undefined && isAnnounced(id) && endpoints[id] === undefined
  }

  return {
    view(deployment) {
      const view = of(deployment).view(nowMs())
      return isMissing(deployment) ? { ...view, state: 'draining' } : view
    },

    enter: (deployment) => (isMissing(deployment) ? undefined : of(deployment).enter(nowMs())),

    async wait(deployments, { tenantId, deadlineMs }, signal) {
      const forMs = deadlineMs - nowMs()
      if (forMs <= 0 || deployments.length === 0) throw refusal(1)
      const waiterId = newId()
      // Each is told of, also one that was never called: the object cannot queue at what it does not know.
      for (const deployment of deployments) of(deployment).touch()
      waiting += 1
      try {
        const ask = { waiterId, deploymentIds: deployments.map(({ id }) => id), tenantId, forMs }
        const answer = await exchange.wait(ask, signal)
        if (answer.kind === 'refused') throw refusal(answer.retryAfterSeconds)
        const deployment = deployments.find(({ id }) => id === answer.deploymentId)
        const call = deployment && of(deployment).enter(nowMs(), { isTry: answer.isTry })
        if (!deployment || !call) throw refusal(1)
        if (!signal.aborted) return { deployment, call }
        call.end({ code: 'caller_gone' })
        throw new AppError('caller_gone', 'The caller hung up.')
      } finally {
        waiting -= 1
      }
    },

    endpointOf(deploymentId) {
      if (endpoints !== undefined) {
        exchange.soon()
        return endpoints[deploymentId]?.url
      }
      return Promise.race([exchange.now(), sleep(ENDPOINTS_WAIT_MS)])
        .catch(() => undefined)
        .then(() => endpoints?.[deploymentId]?.url)
    },

    report: exchange.now,
  }
}

function refusal(retryAfterSeconds: number): AppError {
  return new AppError('upstream_overloaded', 'The model is busy.', { retryAfterSeconds })
}
