/** The loop over deployments. */
import type { Attempt, AttemptRecord, Health } from '../chat/ports.ts'
import { attemptDeployments } from '../routing/attempt.ts'
import { choose } from '../routing/choose/choose.ts'

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
