/** The loop over deployments. */
import type { Attempt, AttemptRecord } from '../chat/ports.ts'
import { allWell } from '../routing/all-well.ts'
import { attemptDeployments } from '../routing/attempt.ts'
import { choose } from '../routing/choose/choose.ts'

/** `ended` is told of every call that has ended. */
export function wireAttempt(ended: (record: AttemptRecord) => void): Attempt {
  return attemptDeployments({
    // One for the isolate: it remembers which replica has read which beginnings.
    choose: choose(() => Math.random()),
    health: allWell,
    now: () => Date.now(),
    random: () => Math.random(),
    sleep,
    ended,
  })
}

/** Resolves after so many milliseconds, or when the signal is aborted. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', wake)
      resolve()
    }
    const timer = setTimeout(wake, ms)
    signal.addEventListener('abort', wake, { once: true })
  })
}
