/** What is the same for all deployments of a kind. */
import type { Continuation } from '../contract/continuation.ts'
import type { DeploymentConfig } from '../contract/routing-config.ts'

export type KindRules = {
  /** Fields that a deployment of this kind must have, and those that mean nothing there. */
  needs: readonly (keyof DeploymentConfig)[]
  takesNot: readonly (keyof DeploymentConfig)[]
  /** How it takes up an answer that died elsewhere, where its configuration does not say. */
  continues: readonly Continuation[]
}
