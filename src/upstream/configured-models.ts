/** The models of the settings: one alias, one deployment, our inference server. */
import type { Deployment, Models, Route } from '../chat/ports.ts'
import { CONTINUATIONS } from '../contract/routing-config.ts'

/** `createdAt` in seconds since 1970 is what OpenAI's list wants; a configured model has no better one than its first release here. */
const CREATED_AT = 1_764_000_000

export function configuredModels(alias: string, deployment: Deployment): Models {
  const known = [{ alias, createdAt: CREATED_AT }]
  const route: Route = {
    alias,
    targets: [{ deployment, priority: 0, weight: 1, when: undefined }],
    strategy: 'least_loaded',
    sticky: undefined,
    canary: undefined,
    affinity: { by: 'off', spill: 1 },
    continueBy: CONTINUATIONS,
  }
  return {
    routeOf: (name) => (name === alias ? route : undefined),
    list: () => known,
    isKnown: (name) => name === alias,
  }
}
