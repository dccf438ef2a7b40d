/** The health of deployments in a region as Prometheus text (exposition format 0.0.4): gauges, read when they are asked for. Pure. */
import type { DeploymentHealth, RegionHealthRecord } from '../http/ports.ts'

type Gauge = { help: string; of: (one: DeploymentHealth) => number | undefined }

const GAUGES: Readonly<Record<string, Gauge>> = {
  llm_deployment_open: {
    help: '1 while nothing, or only a call that tries, is sent to the deployment.',
    of: ({ state }) => (state === 'well' || state === 'full' ? 0 : 1),
  },
  llm_deployment_requests_in_flight: { help: 'Calls under way, by deployment.', of: ({ inFlight }) => inFlight },
  llm_deployment_queue_length: { help: 'Requests that wait for a place, by deployment.', of: ({ queued }) => queued },
  llm_deployment_requests_per_second: {
    help: 'Calls begun in the last ten seconds, a second.',
    of: ({ requestsPerSecond }) => requestsPerSecond,
  },
  llm_deployment_failures_per_second: {
    help: 'Calls failed in the last ten seconds, a second.',
    of: ({ failuresPerSecond }) => failuresPerSecond,
  },
  llm_deployment_first_event_seconds: {
    help: 'Exponentially weighted mean of the time to the first event.',
    of: ({ latencyMs }) => (latencyMs === undefined ? undefined : latencyMs / 1_000),
  },
}

export function healthMetrics({ region, deployments }: RegionHealthRecord): string {
  const lines = Object.entries(GAUGES).flatMap(([name, { help, of }]) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} gauge`,
    // Ids need no escaping: the configuration takes letters, digits, dots, dashes and underscores alone.
    ...deployments.flatMap((one) => {
      const value = of(one)
      return value === undefined ? [] : [`${name}{deployment="${one.id}",region="${region}"} ${value}`]
    }),
  ])
  return `${lines.join('\n')}\n`
}
