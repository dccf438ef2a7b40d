/** A route made ready for choosing, once per version of the configuration: what does not depend on the request is reckoned here. */
import type { Deployment, RequestFacts, Route } from '../../chat/ports.ts'
import { conditionHolds } from './conditions.ts'
import { markOf } from './mark.ts'
import { type Popularity, popularity } from './popularity.ts'
import { type Position, regionPosition } from './positions.ts'

export type PlannedTarget = {
  deployment: Deployment
  priority: number
  /** Above 0, so that shares can be reckoned also of what takes none. */
  weight: number
  /** Of weight 0: behind the others of its group. */
  isStandby: boolean
  /** Its id as a number. */
  mark: number
  position: Position | undefined
  holds(facts: RequestFacts): boolean
}

export type Plan = {
  route: Route
  /** Groups one after the other. */
  targets: readonly PlannedTarget[]
  /** The alias as a number, so that one caller's choices in two aliases have nothing to do with each other. */
  mark: number
  popularity: Popularity
}

/** What a target of weight 0 has instead: nothing beside any share that is one, and its part where all are such. */
const NO_SHARE = 1e-9

export function planOf(route: Route): Plan {
  const targets = route.targets.map(({ deployment, priority, weight, when }) => ({
    deployment,
    priority,
    weight: Math.max(weight, NO_SHARE),
    isStandby: weight === 0,
    mark: markOf(deployment.id),
    position: deployment.location ?? regionPosition(deployment.region),
    holds: conditionHolds(when),
  }))
  return {
    route,
    targets: targets.sort((a, b) => a.priority - b.priority),
    mark: markOf(route.alias),
    popularity: popularity(),
  }
}
