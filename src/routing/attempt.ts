/** The only loop over deployments: who is asked, who is asked next, and who goes on when one dies. Knows nothing of HTTP or protocols. */
import type { Attempt, AttemptRecord, Choose, Health } from '../chat/ports.ts'
import { AppError } from '../errors.ts'
import { callLedger } from './call-ledger.ts'
import { unbroken } from './continue/unbroken.ts'
import { openSomewhere, type RequestCalls } from './open-somewhere.ts'

export type AttemptOptions = {
  choose: Choose
  health: Health
  /** Milliseconds since 1970. */
  now: () => number
  /** From 0 up to 1. */
  random: () => number
  /** Resolves after so many milliseconds, or when the signal is aborted. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** Told of every call that has ended, also where nobody answered. Never throws. */
  ended?: (record: AttemptRecord) => void
}

/** The rules are in docs/decisions/0008-few-calls-and-one-answer.md. */
export function attemptDeployments(options: AttemptOptions): Attempt {
  const { choose, health, now, random, sleep, ended = () => {} } = options
  return async (route, { facts, attempts = [], ...call }, signal) => {
    const candidates = choose(route, facts, health.view)
    const [best] = candidates
    if (best === undefined) throw nobodyFits(route.targets.length)
    const request: RequestCalls = {
      tenantId: facts.tenantId,
      health,
      ledger: callLedger({ now, random }),
      attempts,
      startedAtMs: now(),
      now,
      sleep,
      ended,
      signal,
    }
    const plain = [{ call }]
    const opened = await openSomewhere(request, {
      candidates,
      kind: 'first',
      waysOf: () => plain,
      // As long as a caller waits for an endpoint that says that it is alive; one that says when to come back does, too.
      patienceMs: best.timeouts.firstTokenWhileWaiting,
    })
    const { id, model } = opened.deployment
    const events = unbroken({ request, opened, call, route, candidates: () => choose(route, facts, health.view) })
    return { deployment: { id, model }, events, attempts }
  }
}

function nobodyFits(targets: number): AppError {
  return targets === 0
    ? new AppError('upstream_unavailable', 'No deployment answers for this model.')
    : new AppError('upstream_rejected', 'No deployment of this model takes such a request.')
}
