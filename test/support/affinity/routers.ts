/** Who decides where a request goes, in the simulation: ours, in isolates that know of their own calls only, and those it is compared with. */
import type { Choose, Deployment, HealthView } from '../../../src/chat/ports.ts'
import { requestFacts } from '../../../src/chat/request-facts.ts'
import { choose } from '../../../src/routing/choose/choose.ts'
import { deploymentOf, routeOf } from '../routes.ts'
import { type Random, seededRandom } from '../seeded-random.ts'
import type { SimulatedTurn } from './simulated-conversations.ts'
import type { SimulatedReplica } from './simulated-replica.ts'

export type Router = {
  /** @returns the replica's number, and what is to be told of the answer */
  route(turn: SimulatedTurn): { replica: number; ended(firstTokenMs: number): void }
}
type MakeRouter = (replicas: readonly SimulatedReplica[], options: RouterOptions) => Router
export type RouterOptions = { seed: number; isolates: number; spill: number }

export const ROUTERS = {
  affinity: (replicas, options) => ours(replicas, options, 'prefix'),
  least_loaded: (replicas, options) => ours(replicas, options, 'off'),
  round_robin: (replicas) => {
    let next = 0
    return plain(() => next++ % replicas.length)
  },
  /** Know what every replica holds at this moment, and how much it has to do: the longest beginning wins. */
  all_knowing: (replicas) => plain((turn) => longestHeld(replicas, turn)),
  /** The same, but nobody is given more than the bound of ours. */
  all_knowing_bounded: (replicas, { spill }) =>
    plain((turn) => {
      const calls = replicas.reduce((sum, replica) => sum + replica.inFlight(), 1)
      const most = Math.max(3, Math.ceil((spill * calls) / replicas.length))
      const free = replicas.filter((replica) => replica.inFlight() < most)
      const best = free[longestHeld(free, turn)]
      return best ? replicas.indexOf(best) : 0
    }),
} satisfies Record<string, MakeRouter>
export type RouterName = keyof typeof ROUTERS

const plain = (pick: (turn: SimulatedTurn) => number): Router => ({
  route: (turn) => ({ replica: pick(turn), ended() {} }),
})

function longestHeld(replicas: readonly SimulatedReplica[], { prompt }: SimulatedTurn): number {
  let best = 0
  let bestWorth = Number.NEGATIVE_INFINITY
  for (const [index, replica] of replicas.entries()) {
    // A call in flight only decides between equals.
    const worth = replica.cachedTokens(prompt) - replica.inFlight() / 1_000
    if (worth > bestWorth) [best, bestWorth] = [index, worth]
  }
  return best
}

function ours(
  replicas: readonly SimulatedReplica[],
  { seed, isolates, spill }: RouterOptions,
  by: 'prefix' | 'off',
): Router {
  const random = seededRandom(seed)
  const deployments = replicas.map((_, index) => deploymentOf({ id: `replica-${index}` }))
  const route = routeOf(deployments, { affinity: { by, spill } })
  const all = Array.from({ length: isolates }, () => isolate(deployments, random))
  const principal = { tenantId: 'tnt_a', keyId: 'key_1', scopes: [] }
  return {
    route({ messages }) {
      const { chooser, calls } = random.pick(all)
      const request = { kind: 'chat' as const, body: { model: 'm', messages } }
      const call = { principal, request, requestId: 'req_1', signal: new AbortController().signal }
      const [first] = chooser(route, requestFacts(call, request), ({ id }) => calls.get(id) ?? WELL)
      const health = calls.get(first?.id ?? '')
      if (first === undefined || health === undefined) throw new Error('Nobody was chosen.')
      health.inFlight++
      return {
        replica: deployments.indexOf(first),
        ended(firstTokenMs) {
          health.inFlight--
          health.latencyMs = (health.latencyMs ?? firstTokenMs) * 0.8 + firstTokenMs * 0.2
        },
      }
    },
  }
}

const WELL: HealthView = { state: 'well', inFlight: 0, latencyMs: undefined, closedUntilMs: undefined }

function isolate(
  deployments: readonly Deployment[],
  random: Random,
): { chooser: Choose; calls: Map<string, HealthView> } {
  return { chooser: choose(random.next), calls: new Map(deployments.map(({ id }) => [id, { ...WELL }])) }
}
