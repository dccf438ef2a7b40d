/** What a caller hears who is over a limit: which of theirs it is, and when to come back. Never whose use has filled it. */
import type { LimitDimension, LimitKind } from '../contract/limits.ts'
import { AppError } from '../errors.ts'
import type { LimitRule } from './limit-rules.ts'

const WHOSE: Readonly<Record<LimitDimension, string>> = {
  tenant: 'your tenant',
  key: 'this key',
  user: 'this user',
  endpoint: 'this user at this endpoint',
  model: 'your tenant with this model',
  end_user: 'this user_id under this key',
}

const WHAT: Readonly<Record<LimitKind, string>> = {
  requests: 'requests',
  tokens: 'tokens',
  streams: 'answers at the same time',
}

/** `afterSeconds`: when the window ends. Nobody knows when an answer does, so streams have none. */
export function overLimit({ dimension, kind, amount, windowMs }: LimitRule, afterSeconds?: number): AppError {
  const within = windowMs === 0 ? '' : ` in ${windowMs / 1_000} seconds`
  const when = afterSeconds === undefined ? 'when one has ended' : `in ${afterSeconds} seconds`
  return new AppError(
    'rate_limited',
    `The limit of ${amount} ${WHAT[kind]}${within} for ${WHOSE[dimension]} is reached. Try again ${when}.`,
    {
      details: { limit: `${dimension}-${kind}` },
      ...(afterSeconds === undefined ? {} : { retryAfterSeconds: afterSeconds }),
    },
  )
}

/** Closed: who cannot be counted is not let in. */
export function limitsUnknown(cause: unknown): AppError {
  return new AppError('store_unavailable', 'The limits cannot be checked at the moment.', {
    cause,
    retryAfterSeconds: 1,
  })
}
