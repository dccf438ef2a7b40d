/** The health of deployments: what this isolate sees, what its region's object knows, and servers that announce themselves. */
import { waitUntil } from 'cloudflare:workers'
import { REGIONS, type Region } from '../contract/regions.ts'
import { AppError } from '../errors.ts'
import { healthMetrics } from '../health/health-metrics.ts'
import type { Check } from '../health/health-wire.ts'
import { verifiedTime } from '../health/heartbeat-signature.ts'
import { type IsolateHealth, isolateHealth } from '../health/isolate-health.ts'
import type { DeploymentHealth, HttpPorts, MetricsReader } from '../http/ports.ts'
import { whileStoreAnswers } from '../while-store-answers.ts'
import type { Isolate } from './isolate.ts'

/** What the configuration says of deployments, as this isolate knows it. */
export type DeploymentTable = {
  /** Rejects with store_unavailable while nobody has ever known. */
  ids(): Promise<readonly string[]>
  checkOf(deploymentId: string): Check | undefined
  /** Whether its URL comes by heartbeat. */
  isAnnounced(deploymentId: string): boolean
  /** What is wrong with an address that a server announces: a sentence's end that begins with "must". */
  urlProblem(url: string): string | undefined
}

export type HealthPorts = Pick<HttpPorts, 'heartbeats'> & {
  /** For the loop over deployments, and for those that make upstreams of announced ones. */
  deploymentHealth: IsolateHealth
  health: HttpPorts['health']
  /** The same metrics, and those of health after them. */
  withHealth(metrics: MetricsReader): MetricsReader
}

export function wireHealth({ env, config, nowMs }: Isolate, table: DeploymentTable): HealthPorts {
  let region: Region | undefined
  const objectOf = (where: Region) => env.HEALTH.getByName(where)
  const deploymentHealth = isolateHealth({
    remote: () => objectOf(region ?? 'all'),
    checkOf: table.checkOf,
    isAnnounced: table.isAnnounced,
    waitUntil,
    nowMs,
    random: Math.random,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    newId: () => crypto.randomUUID(),
  })

  const health: HttpPorts['health'] = {
    tellRegion(continent) {
      region ??= REGIONS.find((known) => known === continent) ?? 'all'
    },
    async read(asked) {
      // Sound: the route takes no other names.
      const where = (asked as Region | undefined) ?? region ?? 'all'
      // What this isolate saw is in it, where the object answers at all.
      await deploymentHealth.report().catch(() => undefined)
      const [status, configured] = await Promise.all([
        whileStoreAnswers(Promise.resolve(objectOf(where).status())),
        table.ids().catch(() => []),
      ])
      const heard = new Set(status.deployments.map(({ id }) => id))
      const unheard = configured.filter((id) => !heard.has(id))
      const deployments = [...status.deployments, ...unheard.map(unheardOf)]
      return { ...status, region: where, deployments: deployments.sort((a, b) => (a.id < b.id ? -1 : 1)) }
    },
  }

  return {
    deploymentHealth,
    health,
    heartbeats: {
      verify(signed) {
        const { PERIGEE_HEARTBEAT_SECRET: secret } = config
        if (secret === undefined) throw new AppError('not_configured', 'PERIGEE_HEARTBEAT_SECRET is not set.')
        const sentAtMs = verifiedTime(signed, secret, nowMs())
        if (sentAtMs === undefined) throw wrongSignature()
        return sentAtMs
      },
      async announce(heartbeat, sentAtMs) {
        const problem = table.urlProblem(heartbeat.url)
        if (problem !== undefined) throw new AppError('invalid_request', `url ${problem}.`, { param: 'url' })
        const endpoints = env.ENDPOINTS.getByName('all')
        const answer = await whileStoreAnswers(Promise.resolve(endpoints.announce(heartbeat, sentAtMs)))
        if (answer.ok) return
        if (answer.why === 'replayed') throw wrongSignature()
        throw new AppError('store_unavailable', 'More servers announce themselves than are kept.')
      },
    },
    withHealth: (metrics) => ({
      async text() {
        const [counted, seen] = await Promise.all([
          metrics.text(),
          health.read(undefined).then(healthMetrics, () => ''),
        ])
        return counted + seen
      },
    }),
  }
}

function wrongSignature(): AppError {
  return new AppError('invalid_signature', 'The heartbeat is signed wrongly, is not of now, or was sent before.')
}

/** In the configuration, and nobody has called it of late. */
function unheardOf(id: string): DeploymentHealth {
  return {
    id,
    state: 'well',
    why: 'Nobody called it in the last minutes.',
    code: undefined,
    closedForMs: 0,
    openings: 0,
    inFlight: 0,
    inFlightMax: undefined,
    queued: 0,
    queueMax: 0,
    latencyMs: undefined,
    requestsPerSecond: 0,
    failuresPerSecond: 0,
    lastFailure: undefined,
    lastCheck: undefined,
  }
}
