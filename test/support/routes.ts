/** Deployments and routes for tests: what a test does not say is harmless. */
import type { Deployment, Models, RequestFacts, Route } from '../../src/chat/ports.ts'
import { CONTINUATIONS } from '../../src/contract/continuation.ts'

export function deploymentOf(given: Partial<Deployment> = {}): Deployment {
  return {
    id: 'd',
    adapter: 'openai',
    model: 'm-1',
    timeouts: { connect: 10, firstToken: 20, firstTokenWhileWaiting: 40, betweenTokens: 30, total: 1_000 },
    capabilities: new Set(['tools', 'json_schema', 'logprobs', 'n']),
    continuation: ['instruct'],
    contextTokens: undefined,
    region: undefined,
    location: undefined,
    price: undefined,
    inFlightMax: undefined,
    queue: { length: 0, waitMs: 0 },
    upstream: { open: () => Promise.reject(new Error('Nobody was to be asked.')) },
    ...given,
  }
}

/** Of one group, in the order of their names unless a strategy is given. */
export function routeOf(deployments: readonly Deployment[], given: Partial<Route> = {}): Route {
  return {
    alias: 'm',
    targets: deployments.map((deployment) => ({ deployment, priority: 0, weight: 1, when: undefined })),
    strategy: 'least_loaded',
    sticky: undefined,
    canary: undefined,
    affinity: { by: 'off', spill: 1.5 },
    continueBy: CONTINUATIONS,
    ...given,
  }
}

export function modelsOf(...routes: readonly Route[]): Models {
  const find = (alias: string) => routes.find((route) => route.alias === alias)
  return {
    routeOf: find,
    list: () => routes.map(({ alias }) => ({ alias, createdAt: 0, capabilities: [], contextTokens: undefined })),
    isKnown: (alias) => find(alias) !== undefined,
  }
}

export function factsOf(given: Partial<RequestFacts> = {}): RequestFacts {
  return {
    tenantId: 'tnt_a',
    userId: undefined,
    conversationId: undefined,
    place: undefined,
    promptChars: 10,
    metadata: {},
    needs: new Set(),
    prefixes: [],
    ...given,
  }
}
