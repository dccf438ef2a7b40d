import type { HealthView } from '../../chat/ports.ts'
import type { Candidate } from './candidate.ts'
import type { PlannedTarget } from './plan.ts'

type View = (deployment: PlannedTarget['deployment']) => HealthView

/**
 * What takes calls, what has as many as it may, and what is asked for nothing. One whose breaker is open and due for a probe counts as
 * well: nobody else would find out that it is.
 */
export function byHealth(
  targets: readonly PlannedTarget[],
  view: View,
): { well: Candidate[]; full: Candidate[]; shut: Candidate[] } {
  const well: Candidate[] = []
  const full: Candidate[] = []
  const shut: Candidate[] = []
  const lists = { well, probing: well, full, open: shut, draining: shut }
  for (const target of targets) {
    const health = view(target.deployment)
    lists[health.state].push({ target, health, rank: 0 })
  }
  shut.sort((a, b) => opensAt(a) - opensAt(b))
  return { well, full, shut }
}

/** What drains has said that it will not come back. */
function opensAt({ health }: Candidate): number {
  return health.state === 'draining' ? Number.MAX_VALUE : (health.closedUntilMs ?? 0)
}
