/** The only loop over deployments. Knows nothing of HTTP, protocols or Hono. */
import type { Attempt } from '../chat/ports.ts'
import { AppError, type ErrorCode, toAppError } from '../errors.ts'

/** However many deployments a model has: a request that three of them failed says more about the request. */
export const ATTEMPTS_MAX = 3

/**
 * Where another deployment may do better. There is no pause between attempts, for each goes to another endpoint, and none to the
 * same one, for a request that waits for its retry here would be served sooner by the caller's own, which is told Retry-After.
 * docs/decisions/0005-no-pause-between-attempts.md says why, and when that changes.
 */
const WORTH_ANOTHER: ReadonlySet<ErrorCode> = new Set([
  'upstream_unavailable',
  'upstream_misconfigured',
  'upstream_interrupted',
  'upstream_rate_limited',
  'upstream_overloaded',
  'upstream_timeout',
])

/** The total time-out runs from the first attempt: a caller waits once, not once per deployment. */
export function attemptInOrder(now: () => number = Date.now): Attempt {
  return async (route, call, signal) => {
    const { facts: _, ...request } = call
    const deployments = route.targets.map(({ deployment }) => deployment)
    const startedAt = now()
    let failure: AppError | undefined
    for (const deployment of deployments.slice(0, ATTEMPTS_MAX)) {
      const { model, timeouts, upstream } = deployment
      const remaining = timeouts.total - (now() - startedAt)
      if (remaining <= 0) break
      try {
        const events = await upstream.open({ ...request, model, timeouts: { ...timeouts, total: remaining } }, signal)
        return { deployment, events }
      } catch (thrown) {
        failure = toAppError(thrown)
        if (!WORTH_ANOTHER.has(failure.code)) throw failure
      }
    }
    throw failure ?? new AppError('upstream_unavailable', 'No deployment answers for this model.')
  }
}
