/** What one request has asked of whom so far: who may be called now, who later, and what its caller hears when nobody is left. */
import type { Deployment } from '../chat/ports.ts'
import { AppError } from '../errors.ts'
import { anotherTry, isBusy, isLarger } from './another-try.ts'

/** Few: a request that has failed so often says more about itself or about us than about an endpoint. */
export const CALLS_MAX = 6
export const CALLS_MAX_PER_DEPLOYMENT = 4

/** Full jitter: a pause before the same deployment is anything from nothing to this, doubled with every call. Milliseconds. */
const PAUSE_MS = 250
const PAUSE_MS_MAX = 4_000

export type CallLedger = {
  /** Those that this request may still call, now or later, the least asked first and else in the order given. */
  usable(candidates: readonly Deployment[]): Deployment[]
  /** Milliseconds since 1970; in the past for one that may be called now. */
  notBeforeMs(deployment: Deployment): number
  called(deployment: Deployment): void
  failed(deployment: Deployment, error: AppError): void
  /** It has died in the middle of this request's answer, or has no way left to take it up. */
  exclude(deployment: Deployment): void
  /** No place was found, in time or at all. */
  foundNoPlace(error: AppError): void
  calls(): number
  /** What says most to the caller. */
  verdict(): AppError
}

/** `random` from 0 up to 1. */
export function callLedger({ now, random }: { now: () => number; random: () => number }): CallLedger {
  let total = 0
  const calls = new Map<string, number>()
  const notBefore = new Map<string, number>()
  const excluded = new Set<string>()
  /** The last of each. */
  const failures = new Map<string, AppError>()
  let noPlace: AppError | undefined
  let tooLong: { error: AppError; deployment: Deployment } | undefined

  const callsOf = ({ id }: Deployment) => calls.get(id) ?? 0

  function shortestWait(busy: readonly AppError[]): number | undefined {
    const waits = busy.flatMap(({ retryAfterSeconds }) => (retryAfterSeconds === undefined ? [] : [retryAfterSeconds]))
    return waits.length > 0 ? Math.min(...waits) : undefined
  }

  return {
    usable(candidates) {
      if (total >= CALLS_MAX) return []
      return candidates
        .filter(
          (candidate) =>
            !excluded.has(candidate.id) &&
            callsOf(candidate) < CALLS_MAX_PER_DEPLOYMENT &&
            (tooLong === undefined || isLarger(candidate, tooLong.deployment)),
        )
        .sort((a, b) => callsOf(a) - callsOf(b))
    },
    notBeforeMs: ({ id }) => notBefore.get(id) ?? 0,
    called(deployment) {
      total += 1
      calls.set(deployment.id, callsOf(deployment) + 1)
    },
    failed(deployment, error) {
      failures.set(deployment.id, error)
      const another = anotherTry(error.code)
      if (another === 'larger') {
        // The largest that was too small counts.
        if (tooLong === undefined || isLarger(deployment, tooLong.deployment)) tooLong = { error, deployment }
      } else if (another === 'again') {
        const most = Math.min(PAUSE_MS * 2 ** (callsOf(deployment) - 1), PAUSE_MS_MAX)
        notBefore.set(deployment.id, now() + (error.retryAfterSeconds ?? 0) * 1_000 + random() * most)
      } else excluded.add(deployment.id)
    },
    exclude({ id }) {
      excluded.add(id)
    },
    foundNoPlace(error) {
      noPlace = error
    },
    calls: () => total,
    verdict() {
      if (tooLong) return tooLong.error
      const all = [...failures.values(), ...(noPlace ? [noPlace] : [])]
      const last = all.findLast(({ code }) => !isBusy(code)) ?? all.at(-1)
      if (last === undefined) return new AppError('upstream_unavailable', 'No deployment answers for this model.')
      if (!isBusy(last.code)) return last
      const retryAfterSeconds = shortestWait(all)
      return new AppError(last.code, last.message, {
        cause: last.cause,
        ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      })
    },
  }
}
