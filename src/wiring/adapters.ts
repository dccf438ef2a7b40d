/** From an adapter's kind to what speaks to such an endpoint: the one table to which another kind is added. */
import type { AdapterKind, DeploymentConfig } from '../contract/routing-config.ts'
import { AppError } from '../errors.ts'
import type { Adapter, MakeAdapter } from '../registry/routing-table.ts'
import { staticCredentials } from '../upstream/aws-credentials.ts'
import { inferenceUpstream } from '../upstream/inference-upstream.ts'
import { openaiUpstream } from '../upstream/openai-upstream.ts'
import { sagemakerUpstream } from '../upstream/sagemaker-upstream.ts'
import { tokenCounter } from '../upstream/token-counter.ts'

type Parts = {
  config: DeploymentConfig
  apiKey: string | undefined
  /** A secret of the Worker. */
  secretOf: (name: string) => string | undefined
  fetch: typeof fetch
}

const ADAPTERS: Partial<Record<AdapterKind, (parts: Parts) => Adapter>> = {
  openai: ({ config, apiKey, fetch }) => ({
    upstream: openaiUpstream({
      baseUrl: config.url ?? '',
      apiKey,
      headers: config.headers,
      tokenIds: config.continuation?.includes('token_ids') === true,
      fetch,
    }),
  }),
  inference({ config, apiKey, fetch }) {
    const endpoint = { baseUrl: config.url ?? '', apiKey, headers: config.headers, fetch }
    return {
      upstream: inferenceUpstream(endpoint),
      counter: tokenCounter(endpoint),
    }
  },
  sagemaker: ({ config, secretOf, fetch }) => ({
    upstream: sagemakerUpstream({
      endpoint: config.endpoint ?? '',
      inferenceComponent: config.inference_component,
      region: config.region ?? '',
      url: config.url,
      credentials: staticCredentials(secretOf, config.secret),
      tokenIds: config.continuation?.includes('token_ids') === true,
      fetch,
    }),
  }),
}

// Sound: the keys of the table above.
export const ADAPTERS_MADE: ReadonlySet<AdapterKind> = new Set(Object.keys(ADAPTERS) as AdapterKind[])

/** `apiKeyOf`: what the deployment's secret holds; a secret that is gone since it was named is `missing`. */
export function makeAdapter(options: {
  apiKeyOf(config: DeploymentConfig): string | undefined | 'missing'
  secretOf: (name: string) => string | undefined
  fetch: typeof fetch
}): MakeAdapter {
  return (id, config) => {
    const make = ADAPTERS[config.adapter]
    if (!make) return unusable(`Deployment ${id}: this release has no adapter ${config.adapter}.`)
    const apiKey = options.apiKeyOf(config)
    if (apiKey === 'missing') return unusable(`Deployment ${id}: the Worker has no secret ${config.secret}.`)
    return make({ config, apiKey, secretOf: options.secretOf, fetch: options.fetch })
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
