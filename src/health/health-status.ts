/** What `/admin/health` and the metrics tell of a deployment: its state, and why. */
import type { DeploymentHealth } from '../http/ports.ts'
import type { RegionDeployment } from './region-deployment.ts'

export function deploymentStatus(deployment: RegionDeployment, nowMs: number): DeploymentHealth {
  const { id, described, queued, lastFailure, lastCheck } = deployment
  const opening = deployment.breaker.opening()
  const rates = deployment.perSecond(nowMs)
  const inFlight = deployment.inFlight(nowMs)
  return {
    id,
    ...stateOf(deployment, inFlight, nowMs),
    code: opening?.code,
    closedForMs: Math.max(0, deployment.busyForMs(nowMs), opening ? opening.untilMs - nowMs : 0),
    openings: opening?.times ?? 0,
    inFlight,
    inFlightMax: described.inFlightMax,
    queued,
    queueMax: described.queue.length,
    latencyMs: deployment.latencyMs(),
    requestsPerSecond: rates.requests,
    failuresPerSecond: rates.failures,
    lastFailure,
    lastCheck,
  }
}

function stateOf(
  deployment: RegionDeployment,
  inFlight: number,
  nowMs: number,
): Pick<DeploymentHealth, 'state' | 'why'> {
  const { breaker, described, queued } = deployment
  if (deployment.isDraining()) return { state: 'draining', why: 'It asked for no more calls.' }
  const opening = breaker.opening()
  if (opening && nowMs >= opening.untilMs) {
    return { state: 'trying', why: `It failed (${opening.code}); the next call tries, or one does now.` }
  }
  if (opening) return { state: 'open', why: `It failed (${opening.code}), ${opening.times} times in a row.` }
  if (deployment.busyForMs(nowMs) > 0) return { state: 'busy', why: 'It said that it is busy, and when to come again.' }
  const { inFlightMax } = described
  if (queued > 0 || (inFlightMax !== undefined && inFlight >= inFlightMax)) {
    return { state: 'full', why: `${inFlight} calls run, ${queued} wait.` }
  }
  return {
    state: 'well',
    why: deployment.lastCheck?.ok === false ? 'Its calls succeed, its check does not.' : 'It answers.',
  }
}
