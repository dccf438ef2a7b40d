/** The models that may be asked, who answers for them, and who counts tokens. */
import type { Models, TokenCounter } from '../chat/ports.ts'
import { type Config, readUpstreamSecrets } from '../config.ts'
import type { DeploymentConfig } from '../contract/routing-config.ts'
import { aliasCounter, estimatingCounter } from '../registry/alias-counter.ts'
import { isSameBase } from '../registry/base-url.ts'
import { lastGoodTable, preparedTables, registeredModels } from '../registry/registered-models.ts'
import { routingStore, type StoredRouting } from '../registry/routing-store.ts'
import { type RoutingTable, routingTables } from '../registry/routing-table.ts'
import { settingsConfig } from '../registry/settings-config.ts'
import { watchedDeployments } from '../registry/watched-deployments.ts'
import { ADAPTERS, makeAdapter } from './adapters.ts'
import type { DeploymentTable } from './health.ts'
import type { Isolate } from './isolate.ts'

/** The installation's, not a tenant's: there is one. */
const ALL = 'all'

type ModelPorts = {
  models: Models
  /** Exact; rejects where a model's servers do not count. */
  counter: TokenCounter
  /** Estimates there. */
  estimatingCounter: TokenCounter
  /** For the health of deployments. */
  watched: DeploymentTable
}

/** `endpointOf`: where the server of a deployment is that announces itself. */
export function wireModels(
  { env, config, directory, stored }: Isolate,
  endpointOf: (deploymentId: string) => string | undefined | Promise<string | undefined>,
): ModelPorts {
  const secrets = readUpstreamSecrets(env)
  const tables = routingTables({
    adapters: ADAPTERS,
    makeAdapter: makeAdapter({
      apiKeyOf: apiKeyOf(config, secrets),
      secretOf: (name) => secrets.get(name),
      endpointOf,
      // Looked up at each call, so that a test may put another in its place.
      fetch: (...call) => globalThis.fetch(...call),
    }),
    timeouts: {
      connect: config.PERIGEE_CONNECT_TIMEOUT_MS,
      firstToken: config.PERIGEE_FIRST_TOKEN_TIMEOUT_MS,
      firstTokenWhileWaiting: config.PERIGEE_WAITING_TIMEOUT_MS,
      betweenTokens: config.PERIGEE_BETWEEN_TOKENS_TIMEOUT_MS,
      total: config.PERIGEE_TOTAL_TIMEOUT_MS,
    },
  })
  const urlRules = {
    allowInternal: config.PERIGEE_ALLOW_INTERNAL_URLS === 'on',
    own: [config.PERIGEE_INFERENCE_URL],
  }
  const store = routingStore(stored)
  const recall = directory.remember<StoredRouting, RoutingTable>({
    kind: 'routing',
    load: () => store.held(),
    prepare: preparedTables(tables, configOfSettings(config)),
    key: () => ALL,
  })
  const table = lastGoodTable(() => recall(ALL))
  return {
    models: registeredModels(table),
    counter: aliasCounter(table),
    estimatingCounter: estimatingCounter(table),
    watched: watchedDeployments(table, urlRules),
  }
}

/** Holds as long as none is stored. */
export function configOfSettings(config: Config): ReturnType<typeof settingsConfig> {
  return settingsConfig({ inferenceUrl: config.PERIGEE_INFERENCE_URL, model: config.PERIGEE_DEFAULT_MODEL })
}

function apiKeyOf(config: Config, secrets: ReadonlyMap<string, string>) {
  return ({ secret, url }: DeploymentConfig): string | undefined | 'missing' => {
    if (secret !== undefined) return secrets.get(secret) ?? 'missing'
    // The server of the settings has its key there, too.
    const isOwn = url !== undefined && isSameBase(url, config.PERIGEE_INFERENCE_URL)
    return isOwn ? config.PERIGEE_INFERENCE_KEY : undefined
  }
}
