/**
 * What an isolate makes of a version of the routing document: the deployments with their adapters, and the routes. A deployment that is the
 * same in the next version stays the same object, and so does a route as long as its version is.
 */
import type { Deployment, ListedModel, Route, Target, Timeouts, TokenCounter, Upstream } from '../chat/ports.ts'
import { CONTINUATIONS } from '../contract/continuation.ts'
import type {
  AdapterKind,
  Capability,
  DeploymentConfig,
  ModelConfig,
  RoutingConfig,
} from '../contract/routing-config.ts'
import type { KindRules } from './kind-rules.ts'
import { withPreset } from './with-preset.ts'

/** The first release of models that are configured without a time of their own. Seconds since 1970, as OpenAI's list wants it. */
const CREATED_AT = 1_764_000_000

const CAPABILITIES: readonly Capability[] = ['tools', 'json_schema', 'logprobs', 'n']
/** As many as are served in that time by a replica of some slots; who would wait longer is better told so at once. */
const QUEUE = { length: 100, waitMs: 10_000 } as const
const SPILL = 1.5

/** What speaks to a deployment's endpoint. `counter` where the endpoint counts tokens. */
export type Adapter = { upstream: Upstream; counter?: TokenCounter }

/** Never throws: what cannot be made is an upstream that says so, for the other models must go on. */
export type MakeAdapter = (id: string, config: DeploymentConfig) => Adapter

export type RoutingTable = {
  number: number
  models: ReadonlyMap<string, KnownModel>
  deployments: ReadonlyMap<string, KnownDeployment>
}

export type KnownModel = {
  route: Route
  /** Undefined: all. */
  tenants: ReadonlySet<string> | undefined
  listed: ListedModel
}

export type KnownDeployment = { deployment: Deployment; counter: TokenCounter | undefined; config: DeploymentConfig }

export type RoutingTables = (number: number, config: RoutingConfig) => RoutingTable

type Options = { adapters: Readonly<Record<AdapterKind, KindRules>>; makeAdapter: MakeAdapter; timeouts: Timeouts }

export function routingTables(options: Options): RoutingTables {
  let made = new Map<string, { text: string; known: KnownDeployment }>()

  return (number, config) => {
    const next: typeof made = new Map()
    for (const [id, deployment] of Object.entries(config.deployments)) {
      const text = JSON.stringify(deployment)
      const before = made.get(id)
      next.set(id, before?.text === text ? before : { text, known: deploymentOf(id, withPreset(deployment), options) })
    }
    made = next
    const deployments = new Map([...next].map(([id, { known }]) => [id, known]))
    const models = Object.entries(config.models).map(
      ([alias, model]) => [alias, modelOf(alias, model, config, deployments)] as const,
    )
    return { number, models: new Map(models), deployments }
  }
}

function deploymentOf(
  id: string,
  config: DeploymentConfig,
  { adapters, makeAdapter, timeouts }: Options,
): KnownDeployment {
  const { upstream, counter } = makeAdapter(id, config)
  const own = config.timeouts_ms
  const deployment: Deployment = {
    id,
    adapter: config.adapter,
    model: config.model,
    timeouts: {
      connect: own?.connect ?? timeouts.connect,
      firstToken: own?.first_token ?? timeouts.firstToken,
      firstTokenWhileWaiting: own?.first_token_while_waiting ?? timeouts.firstTokenWhileWaiting,
      betweenTokens: own?.between_tokens ?? timeouts.betweenTokens,
      total: own?.total ?? timeouts.total,
    },
    capabilities: new Set(config.capabilities ?? CAPABILITIES),
    continuation: config.continuation ?? adapters[config.adapter]?.continues ?? [],
    contextTokens: config.context_tokens,
    region: config.region,
    location: config.location,
    price: config.price,
    inFlightMax: config.in_flight_max,
    queue: { length: config.queue?.length ?? QUEUE.length, waitMs: config.queue?.wait_ms ?? QUEUE.waitMs },
    upstream,
  }
  return { deployment, counter, config }
}

function modelOf(
  alias: string,
  model: ModelConfig,
  config: RoutingConfig,
  deployments: ReadonlyMap<string, KnownDeployment>,
): KnownModel {
  const targets = model.targets.flatMap(({ deployment: id, priority = 0, weight = 1, when }): Target[] => {
    const known = deployments.get(id)
    return known && config.deployments[id]?.enabled !== false
      ? [{ deployment: known.deployment, priority, weight, when }]
      : []
  })
  const route: Route = {
    alias,
    targets,
    strategy: model.strategy ?? 'least_loaded',
    sticky: model.sticky,
    canary: model.canary && {
      deploymentId: model.canary.deployment,
      percent: model.canary.percent,
      by: model.canary.by ?? 'request',
    },
    affinity: { by: model.affinity?.by ?? defaultAffinity(targets), spill: model.affinity?.spill ?? SPILL },
    continueBy: model.continue_by ?? CONTINUATIONS,
  }
  const all = targets.map(({ deployment }) => deployment)
  const contexts = all.flatMap(({ contextTokens }) => contextTokens ?? [])
  return {
    route,
    tenants: model.tenants && new Set(model.tenants),
    listed: {
      alias,
      createdAt: model.created ?? CREATED_AT,
      capabilities: [...new Set(all.flatMap(({ capabilities }) => [...capabilities]))].sort(),
      contextTokens: contexts.length > 0 ? Math.max(...contexts) : undefined,
    },
  }
}

/** Only our server tells what it has read before, and with one replica there is nothing to prefer. */
function defaultAffinity(targets: readonly Target[]): 'prefix' | 'off' {
  return targets.length > 1 && targets.every(({ deployment }) => deployment.adapter === 'inference') ? 'prefix' : 'off'
}
