/** What an error says about the deployment that gave it. The one table of it, for isolates; the object is told verdicts. */
import type { ErrorCode } from '../errors.ts'

/**
 * `failure`: it is broken. `overloaded`: it is there and refuses; in a row that is as good as broken. `busy`: it counts its callers, and
 * says when to come again. Whatever is not here was about the request: who refuses it properly is alive.
 */
const VERDICTS = {
  upstream_unavailable: 'failure',
  upstream_interrupted: 'failure',
  upstream_timeout: 'failure',
  // Our credentials or our name for the model: every call will end so until somebody mends it.
  upstream_misconfigured: 'failure',
  upstream_overloaded: 'overloaded',
  upstream_rate_limited: 'busy',
  // Says nothing: who asked left, or the mistake is ours.
  caller_gone: 'nothing',
  internal_error: 'nothing',
  store_unavailable: 'nothing',
} as const satisfies Partial<Record<ErrorCode, string>>

export type Verdict = 'alive' | (typeof VERDICTS)[keyof typeof VERDICTS]

export function verdictOn(code: ErrorCode | undefined): Verdict {
  if (code === undefined) return 'alive'
  return Object.hasOwn(VERDICTS, code) ? VERDICTS[code as keyof typeof VERDICTS] : 'alive'
}
