/**
 * Which deployments may serve a request, the best first: conditions and capabilities, then groups by priority; in each a canary, what
 * binds the request to one (sticky, affinity), else the strategy. Pure but for the chance it is given and what it remembers of beginnings.
 */
import type { Choose, Deployment, RequestFacts, Route } from '../../chat/ports.ts'
import { prefixOrder, spillOver } from './affinity.ts'
import { idOf } from './binding-id.ts'
import { byHealth } from './by-health.ts'
import { putCanary } from './canary.ts'
import type { Candidate } from './candidate.ts'
import { fittingTargets } from './fitting-targets.ts'
import { markOf } from './mark.ts'
import { type Plan, planOf } from './plan.ts'
import { prefixMemory } from './prefix-memory.ts'
import { rendezvousOrder } from './rendezvous.ts'
import { STRATEGY_ORDERS } from './strategies.ts'

/**
 * Those that are well in the order of their groups, then those that are full: somebody may wait for them. What is open or draining is
 * left out unless nothing else is there; then the first to open again comes first.
 * @param random in [0, 1)
 */
export function choose(random: () => number): Choose {
  const plans = new WeakMap<Route, Plan>()
  const memory = prefixMemory()

  return (route, facts, view) => {
    let plan = plans.get(route)
    if (plan === undefined) {
      plan = planOf(route)
      plans.set(route, plan)
    }
    const fitting = fittingTargets(plan, facts)
    if (fitting.length < 2) return fitting.map(({ deployment }) => deployment)

    const { well, full, shut } = byHealth(fitting, view)
    if (well.length + full.length === 0) return deploymentsOf(shut)
    const ordered: Candidate[] = []
    for (const group of groupsOf(well)) {
      orderGroup(group, plan, facts)
      ordered.push(...group)
    }
    putCanary(ordered, plan, facts, random)
    const [first] = ordered
    if (first && route.affinity.by === 'prefix') memory.remember(facts.prefixes, first.target.deployment.id)
    return deploymentsOf([...ordered, ...full])
  }

  /** Sorts in place. */
  function orderGroup(group: Candidate[], plan: Plan, facts: RequestFacts): void {
    if (group.length < 2) return
    const { sticky, affinity, strategy } = plan.route
    const boundTo = sticky && idOf(facts, sticky)
    const conversation = affinity.by === 'conversation' ? idOf(facts, 'conversation') : undefined
    if (boundTo !== undefined) {
      rendezvousOrder(group, plan.mark ^ markOf(boundTo))
    } else if (conversation !== undefined) {
      rendezvousOrder(group, plan.mark ^ markOf(conversation))
      spillOver(group, affinity.spill)
    } else if (affinity.by === 'prefix' && facts.prefixes.length > 0) {
      prefixOrder(group, facts.prefixes, affinity.spill, { popularity: plan.popularity, memory, random })
    } else {
      STRATEGY_ORDERS[strategy](group, facts, random)
    }
  }
}

/** Those of one priority stand together. */
function groupsOf(candidates: readonly Candidate[]): Candidate[][] {
  const groups: Candidate[][] = []
  for (const candidate of candidates) {
    const group = groups.at(-1)
    if (group?.[0]?.target.priority === candidate.target.priority) group.push(candidate)
    else groups.push([candidate])
  }
  return groups
}

function deploymentsOf(candidates: readonly Candidate[]): Deployment[] {
  return candidates.map(({ target }) => target.deployment)
}
