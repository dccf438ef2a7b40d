/** Some requests try a deployment before the others do. */
import type { RequestFacts } from '../../chat/ports.ts'
import { idOf } from './binding-id.ts'
import type { Candidate } from './candidate.ts'
import { chanceOf, markOf } from './mark.ts'
import type { Plan } from './plan.ts'

/**
 * In place: to the front of all for its share, for the others to the end of its group, so that its weight adds nothing to the share.
 * @param ordered groups one after the other
 */
export function putCanary(ordered: Candidate[], plan: Plan, facts: RequestFacts, random: () => number): void {
  const { canary } = plan.route
  if (canary === undefined) return
  const index = ordered.findIndex(({ target }) => target.deployment.id === canary.deploymentId)
  const [candidate] = index < 0 ? [] : ordered.splice(index, 1)
  if (candidate === undefined) return
  if (isIn(canary, plan, candidate.target.mark, facts, random)) {
    ordered.unshift(candidate)
    return
  }
  const next = ordered.findIndex(({ target }) => target.priority > candidate.target.priority)
  ordered.splice(next < 0 ? ordered.length : next, 0, candidate)
}

/** Each has a fixed number, and is in when that is below the share: who was in stays in when the share grows. */
function isIn(
  { percent, by }: NonNullable<Plan['route']['canary']>,
  plan: Plan,
  mark: number,
  facts: RequestFacts,
  random: () => number,
): boolean {
  const id = by === 'request' ? undefined : idOf(facts, by)
  const number = id === undefined ? random() : chanceOf(markOf(`canary\n${id}`) ^ plan.mark, mark)
  return number * 100 < percent
}
