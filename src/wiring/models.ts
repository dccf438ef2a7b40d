/** The models that may be asked, and who counts tokens. */
import type { Deployment, Models, TokenCounter } from '../chat/ports.ts'
import type { Config } from '../config.ts'
import { configuredModels } from '../upstream/configured-models.ts'
import { inferenceUpstream } from '../upstream/inference-upstream.ts'
import { tokenCounter } from '../upstream/token-counter.ts'

export function wireModels(config: Config): { models: Models; tokenCounter: TokenCounter } {
  const endpoint = {
    baseUrl: config.PERIGEE_INFERENCE_URL,
    apiKey: config.PERIGEE_INFERENCE_KEY,
    // Looked up at each call, so that a test may put another in its place.
    fetch: (...call: Parameters<typeof fetch>) => globalThis.fetch(...call),
  }
  const deployment: Deployment = {
    id: 'inference',
    adapter: 'inference',
    capabilities: new Set(['tools', 'json_schema', 'logprobs', 'n']),
    continuation: ['token_ids'],
    contextTokens: undefined,
    region: undefined,
    location: undefined,
    price: undefined,
    inFlightMax: undefined,
    queue: { length: 0, waitMs: 0 },
    model: config.PERIGEE_DEFAULT_MODEL,
    timeouts: {
      connect: config.PERIGEE_CONNECT_TIMEOUT_MS,
      firstToken: config.PERIGEE_FIRST_TOKEN_TIMEOUT_MS,
      firstTokenWhileWaiting: config.PERIGEE_WAITING_TIMEOUT_MS,
      betweenTokens: config.PERIGEE_BETWEEN_TOKENS_TIMEOUT_MS,
      total: config.PERIGEE_TOTAL_TIMEOUT_MS,
    },
    upstream: inferenceUpstream(endpoint),
  }
  return {
    models: configuredModels(config.PERIGEE_DEFAULT_MODEL, deployment),
    tokenCounter: tokenCounter(endpoint),
  }
}
