/** The loop over deployments. */
import type { Attempt, AttemptRecord, Health } from '../chat/ports.ts'
import { attemptDeployments } from '../routing/attempt.ts'
import { choose } from '../routing/choose/choose.ts'
import { sleep } from '../routing/sleep.ts'

/** `ended` is told of every call that has ended. */
export function wireAttempt(health: Health, ended: (record: AttemptRecord) => void): Attempt {
  return attemptDeployments({
    // One for the isolate: it remembers which replica has read which beginnings.
    choose: choose(() => Math.random()),
    health,
    now: () => Date.now(),
    random: () => Math.random(),
    sleep,
    ended,
  })
}
