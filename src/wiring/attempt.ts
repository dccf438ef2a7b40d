/** The loop over deployments. */
import type { Attempt, AttemptRecord } from '../chat/ports.ts'
import { allWell } from '../routing/all-well.ts'
import { attemptDeployments } from '../routing/attempt.ts'
import { inOrder } from '../routing/in-order.ts'
import { sleep } from '../routing/sleep.ts'

/** `ended` is told of every call that has ended. */
export function wireAttempt(ended: (record: AttemptRecord) => void): Attempt {
  return attemptDeployments({
    choose: inOrder,
    health: allWell,
    now: () => Date.now(),
    random: () => Math.random(),
    sleep,
    ended,
  })
}
