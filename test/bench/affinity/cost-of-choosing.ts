/** What a choice among three deployments costs, in microseconds of CPU time: the least of several rounds, since others only add to it. */
import type { Route } from '../../../src/chat/ports.ts'
import { requestFacts } from '../../../src/chat/request-facts.ts'
import { choose } from '../../../src/routing/choose/choose.ts'
import { viewOf } from '../../support/health-views.ts'
import { deploymentOf, routeOf } from '../../support/routes.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { round } from '../measure/statistics.ts'

const ROUNDS = 7
/** About 1 kB, as in bench:edge. */
const MESSAGES = [
  { role: 'system' as const, content: 'You are helpful. '.repeat(20) },
  { role: 'user' as const, content: 'What is the distance to the Moon? '.repeat(20) },
]

export function costOfChoosing(count: number): Record<string, number> {
  const deployments = ['eu-west-1', 'us-east-1', 'ap-south-1'].map((region, index) =>
    deploymentOf({ id: `d-${index}`, region, price: { input: index, output: index } }),
  )
  const cases: Record<string, Partial<Route>> = {
    weighted: { strategy: 'weighted' },
    least_loaded: {},
    cheapest: { strategy: 'cheapest' },
    nearest: { strategy: 'nearest' },
    sticky: { sticky: 'user' },
    canary: { canary: { deploymentId: 'd-0', percent: 5, by: 'user' } },
    'affinity by prefix, another prompt each time': { affinity: { by: 'prefix', spill: 1.5 } },
  }
  const health = viewOf()
  const known = new Map(deployments.map((deployment) => [deployment, health(deployment)]))
  const figures = Object.fromEntries(
    Object.entries(cases).map(([name, given]) => [name, leastUs(routeOf(deployments, given))]),
  )
  return { 'one deployment': leastUs(routeOf(deployments.slice(0, 1))), ...figures }

  function leastUs(route: Route): number {
    const chooser = choose(seededRandom(1).next)
    let least = Number.POSITIVE_INFINITY
    let asked = 0
    for (let turn = 0; turn < ROUNDS; turn++) {
      const started = process.cpuUsage()
      for (let index = 0; index < count; index++) {
        const body = { model: 'm', messages: [...MESSAGES, { role: 'user' as const, content: `${asked++}` }] }
        const request = { kind: 'chat' as const, body }
        const principal = { tenantId: 'tnt_a', keyId: 'key_1', userId: `u${index % 1_000}`, scopes: [] }
        const place = { latitude: 48, longitude: 11 }
        const facts = requestFacts({ principal, place, request, requestId: 'r', signal: SIGNAL }, request)
        chooser(route, facts, (deployment) => known.get(deployment) ?? health(deployment))
      }
      const { user, system } = process.cpuUsage(started)
      least = Math.min(least, (user + system) / count)
    }
    return round(least)
  }
}

const { signal: SIGNAL } = new AbortController()
