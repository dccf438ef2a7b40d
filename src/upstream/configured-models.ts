/** The models of the settings: one alias, one deployment, our inference server. */
import type { Deployment, Models } from '../chat/ports.ts'

/** `createdAt` in seconds since 1970 is what OpenAI's list wants; a configured model has no better one than its first release here. */
const CREATED_AT = 1_764_000_000

export function configuredModels(alias: string, deployment: Deployment): Models {
  const known = [{ alias, createdAt: CREATED_AT }]
  const deployments = [deployment]
  return {
    deploymentsOf: (name) => (name === alias ? deployments : []),
    list: () => known,
  }
}
