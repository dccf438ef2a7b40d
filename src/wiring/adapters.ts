/** From an adapter's kind to what speaks to such an endpoint: the one table to which another kind is added. */
import type { AdapterKind, DeploymentConfig } from '../contract/routing-config.ts'
import { AppError } from '../errors.ts'
import type { KindRules } from '../registry/kind-rules.ts'
import type { Adapter, MakeAdapter } from '../registry/routing-table.ts'
import { announcedCounter, announcedUpstream } from '../upstream/announced-upstream.ts'
import { anthropicUpstream } from '../upstream/anthropic/anthropic-upstream.ts'
import { staticCredentials } from '../upstream/aws-credentials.ts'
import type { HttpEndpoint } from '../upstream/http-upstream.ts'
import { inferenceUpstream } from '../upstream/inference-upstream.ts'
import { openaiUpstream } from '../upstream/openai-upstream.ts'
import { sagemakerUpstream } from '../upstream/sagemaker-upstream.ts'
import { tokenCounter } from '../upstream/token-counter.ts'

type Parts = {
  config: DeploymentConfig
  apiKey: string | undefined
  /** Any secret of the Worker whose name begins with UPSTREAM_. */
  secretOf(name: string): string | undefined
  /** Where its server is, if it announces itself. */
  announcedUrl: () => string | undefined | Promise<string | undefined>
  fetch: typeof fetch
}

type Kind = KindRules & { make(parts: Parts): Adapter }

/** A new kind is a word in ADAPTER_KINDS and a row here. docs/recipes/add-an-adapter.md shows it. */
export const ADAPTERS: Readonly<Record<AdapterKind, Kind>> = {
  openai: {
    needs: ['url'],
    takesNot: ['endpoint', 'inference_component'],
    continues: ['instruct'],
    make: (parts) => ({
      upstream: openaiUpstream({
        ...endpointOf(parts),
        quirks: parts.config.quirks,
        tokenIds: givesTokenIds(parts),
      }),
    }),
  },
  inference: {
    // Without a url it is the server that announces itself by the deployment's name.
    needs: [],
    takesNot: ['endpoint', 'inference_component', 'path', 'quirks'],
    continues: ['token_ids'],
    make: (parts) => (parts.config.url === undefined ? announced(parts) : inferenceAt(endpointOf(parts))),
  },
  anthropic: {
    needs: ['url'],
    takesNot: ['endpoint', 'inference_component', 'quirks'],
    continues: ['instruct'],
    make: (parts) => ({ upstream: anthropicUpstream(endpointOf(parts)) }),
  },
  sagemaker: {
    needs: ['endpoint', 'region'],
    takesNot: ['headers', 'path', 'auth', 'quirks'],
    continues: ['instruct'],
    make: (parts) => ({
      upstream: sagemakerUpstream({
        region: parts.config.region ?? '',
        endpoint: parts.config.endpoint ?? '',
        inferenceComponent: parts.config.inference_component,
        url: parts.config.url,
        tokenIds: givesTokenIds(parts),
        credentials: staticCredentials(parts.secretOf, parts.config.secret),
        fetch: parts.fetch,
      }),
    }),
  },
}

function endpointOf({ config, apiKey, fetch }: Parts): HttpEndpoint {
  const { url = '', path, auth, headers } = config
  return { baseUrl: url, path, apiKey, auth, headers, fetch }
}

function inferenceAt(endpoint: HttpEndpoint): Adapter {
  return { upstream: inferenceUpstream(endpoint), counter: tokenCounter(endpoint) }
}

function announced(parts: Parts): Adapter {
  const urlOf = parts.announcedUrl
  const at = (baseUrl: string) => ({ ...endpointOf(parts), baseUrl })
  return {
    upstream: announcedUpstream({ urlOf, make: (url) => inferenceUpstream(at(url)) }),
    counter: announcedCounter({ urlOf, make: (url) => tokenCounter(at(url)) }),
  }
}

function givesTokenIds({ config }: Parts): boolean {
  return config.continuation?.includes('token_ids') === true
}

/** `apiKeyOf`: what the deployment's secret holds; a secret that is gone since it was named is `missing`. */
export function makeAdapter(options: {
  apiKeyOf(config: DeploymentConfig): string | undefined | 'missing'
  secretOf(name: string): string | undefined
  endpointOf: (deploymentId: string) => string | undefined | Promise<string | undefined>
  fetch: typeof fetch
}): MakeAdapter {
  return (id, config) => {
    // A preset may name one that this release has not; a document that holds it may have been stored by another.
    if (!Object.hasOwn(ADAPTERS, config.adapter)) return unusable(`Deployment ${id}: no adapter ${config.adapter}.`)
    const apiKey = options.apiKeyOf(config)
    if (apiKey === 'missing') return unusable(`Deployment ${id}: the Worker has no secret ${config.secret}.`)
    const { secretOf, fetch } = options
    return ADAPTERS[config.adapter].make({
      config,
      apiKey,
      secretOf,
      announcedUrl: () => options.endpointOf(id),
      fetch,
    })
  }
}

/** The reason is for the log. */
function unusable(reason: string): Adapter {
  const open = () =>
    Promise.reject(
      new AppError('upstream_misconfigured', 'The model is set up wrongly on our side.', { cause: new Error(reason) }),
    )
  return { upstream: { open } }
}
