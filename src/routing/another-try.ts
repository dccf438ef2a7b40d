/** What a failed call says about the next one. A code that is not here says something about the request: nobody else would answer it. */
import type { Deployment } from '../chat/ports.ts'
import type { ErrorCode } from '../errors.ts'

/**
 * `again`: another call of the same deployment may do better. `elsewhere`: it will not, but another deployment may: one that was silent
 * for a time-out would be silent for another, and one that does not know our key will not learn it. `larger`: only where more fits.
 */
export type AnotherTry = 'again' | 'elsewhere' | 'larger'

const ANOTHER_TRY: Partial<Record<ErrorCode, AnotherTry>> = {
  upstream_unavailable: 'again',
  upstream_interrupted: 'again',
  upstream_rate_limited: 'again',
  upstream_overloaded: 'again',
  upstream_timeout: 'elsewhere',
  upstream_misconfigured: 'elsewhere',
  context_length_exceeded: 'larger',
}

export function anotherTry(code: ErrorCode): AnotherTry | undefined {
  return ANOTHER_TRY[code]
}

/** It takes no more for now: the caller, too, may come again later. */
export function isBusy(code: ErrorCode): boolean {
  return code === 'upstream_rate_limited' || code === 'upstream_overloaded'
}

/** Whether more fits than in one that was too small. Of two that nobody has told us of, another model may be larger, a replica is not. */
export function isLarger(candidate: Deployment, tooSmall: Deployment): boolean {
  if (candidate.id === tooSmall.id) return false
  if (tooSmall.contextTokens !== undefined) {
    return (candidate.contextTokens ?? Number.POSITIVE_INFINITY) > tooSmall.contextTokens
  }
  return candidate.contextTokens !== undefined && candidate.model !== tooSmall.model
}
