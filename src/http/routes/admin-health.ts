/**
 * `GET /admin/health`: how each deployment does in a region, and why; and the load of the servers that announce themselves, for
 * autoscaling. docs/routing.md (Health) explains each field.
 */
import * as z from 'zod/mini'
import { REGIONS } from '../../contract/regions.ts'
import { unixSeconds } from '../../contract/unix-seconds.ts'
import type { AnnouncedServer, DeploymentHealth } from '../ports.ts'
import { readQuery } from '../read-query.ts'
import type { Route } from '../route.ts'

const QUERY = z.strictObject({ region: z.optional(z.enum(REGIONS)) })

export const adminHealth: Route = {
  method: 'GET',
  path: '/admin/health',
  errors: 'problem',
  access: { scope: 'metrics:read' },
  async handle(context) {
    const { region } = readQuery(context, QUERY)
    const record = await context.get('ports').health.read(region)
    context.header('cache-control', 'no-store')
    return context.json({
      object: 'health',
      region: record.region,
      waiting: record.waiting,
      deployments: record.deployments.map((one) => deploymentObject(one, record.servers)),
      servers: record.servers.map(serverObject),
    })
  },
}

function deploymentObject(one: DeploymentHealth, servers: readonly AnnouncedServer[]): object {
  const { lastFailure, lastCheck } = one
  return {
    id: one.id,
    state: one.state,
    why: one.why,
    code: one.code ?? null,
    closed_for_ms: Math.round(one.closedForMs),
    openings: one.openings,
    in_flight: one.inFlight,
    in_flight_max: one.inFlightMax ?? null,
    queue: { length: one.queued, max: one.queueMax },
    latency_ms: one.latencyMs === undefined ? null : Math.round(one.latencyMs),
    requests_per_second: one.requestsPerSecond,
    failures_per_second: one.failuresPerSecond,
    last_failure: lastFailure ? { code: lastFailure.code, at: unixSeconds(lastFailure.atMs) } : null,
    last_check: lastCheck
      ? { ok: lastCheck.ok, code: lastCheck.code, ms: lastCheck.ms, at: unixSeconds(lastCheck.atMs) }
      : null,
    load: servers.find(({ deploymentId }) => deploymentId === one.id)?.load ?? null,
  }
}

function serverObject({ deploymentId, instance, url, model, draining, load, heardAgoMs }: AnnouncedServer): object {
  return { deployment: deploymentId, instance, url, model, draining, heard_ago_ms: heardAgoMs, load }
}
