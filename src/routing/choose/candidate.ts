/** A target that may serve this request now, beside what is known of its health. */
import type { HealthView } from '../../chat/ports.ts'
import type { PlannedTarget } from './plan.ts'

export type Candidate = {
  target: PlannedTarget
  health: HealthView
  /** Scratch of whoever sorts. */
  rank: number
}

/** Calls in flight for its size. */
export function loadOf({ target, health }: Candidate): number {
  return health.inFlight / target.weight
}

export const byRank = (a: Candidate, b: Candidate) => a.rank - b.rank
