/**
 * What SageMaker's refusals mean for our caller. SageMaker speaks in its own name (the endpoint is not there, our key is wrong) or passes
 * on what the container said; only the latter can be about the request. Nothing of either is forwarded that
 * upstream-error.ts would not forward: they name accounts, log streams and code.
 */
import type { AppError, ErrorCode } from '../errors.ts'
import { CODES as CODES_OF_STATUS, errorFromStatus, readRetryAfter, upstreamError } from './upstream-error.ts'

/** By the name of the exception. Others go by their status. */
const CODES: ReadonlyMap<string, ErrorCode> = new Map([
  // The container loads the model, or the endpoint adds an instance: in a moment or in minutes.
  ['ModelNotReadyException', 'upstream_overloaded'],
  ['ServiceUnavailable', 'upstream_overloaded'],
  ['InternalFailure', 'upstream_unavailable'],
  ['InternalDependencyException', 'upstream_unavailable'],
  ['ThrottlingException', 'upstream_rate_limited'],
  ['Throttling', 'upstream_rate_limited'],
  ['TooManyRequestsException', 'upstream_rate_limited'],
  ['ServiceQuotaExceededException', 'upstream_rate_limited'],
])

/** SageMaker says all this by one exception, ValidationError; its sentences are the only difference. */
const VALIDATION: readonly { says: RegExp; code: ErrorCode; retryAfterSeconds?: number }[] = [
  // An endpoint that scaled to zero. An instance comes after some ten minutes, so there is no haste, but it may be on its way already.
  { says: /\bno capacity\b/i, code: 'upstream_overloaded', retryAfterSeconds: 60 },
  { says: /\b(payload|body|request)\b.*\b(exceed|too large|larger|size)/i, code: 'body_too_large' },
]

/** Of what the container answered. It may be cut, and then is no JSON. */
const CONTEXT_LENGTH = /context_length_exceeded|maximum (context|model) length/i

/** Undefined for what is not SageMaker's answer: the connection failed, or what came is no event stream. */
export function sagemakerError(thrown: unknown): AppError | undefined {
  const { name, status, retryAfter } = readException(thrown)
  // AWS's client reads the first part of the stream before it hands it over, so that part's exceptions come here.
  if (status === undefined || status === 200) {
    return name === undefined ? undefined : upstreamError(earlyEnd(thrown), streamFailure(thrown))
  }
  if (name === 'ModelError') return containerError(thrown)
  const cause = new Error(`SageMaker answered ${status}${name === undefined ? '' : ` (${name})`}.`)
  if (name === 'ValidationError') {
    const message = thrown instanceof Error ? thrown.message : ''
    const found = VALIDATION.find(({ says }) => says.test(message))
    // What else it does not like is how we call it: the endpoint's name, the component's, an account without either.
    return upstreamError(found?.code ?? 'upstream_misconfigured', cause, found?.retryAfterSeconds)
  }
  const other = status >= 500 ? 'upstream_unavailable' : 'upstream_misconfigured'
  const code = CODES.get(name ?? '') ?? CODES_OF_STATUS[status] ?? other
  return upstreamError(code, cause, readRetryAfter(retryAfter))
}

/** For the log: what ended a stream, without what the container said of it. */
export function streamFailure(thrown: unknown): Error {
  const { name } = readException(thrown)
  const code = isRecord(thrown) && typeof thrown.ErrorCode === 'string' && WORD.test(thrown.ErrorCode)
  return new Error(`SageMaker ended the stream: ${name ?? 'unknown'}${code ? ` (${thrown.ErrorCode})` : ''}.`)
}

/** Before the container said anything. SageMaker gives it eight minutes for a stream. */
function earlyEnd(thrown: unknown): ErrorCode {
  const isLate = isRecord(thrown) && thrown.ErrorCode === 'ModelInvocationTimeExceeded'
  return isLate ? 'upstream_timeout' : 'upstream_unavailable'
}

/** ModelError: the container's status and body, as if it had been called without SageMaker. */
function containerError(thrown: unknown): AppError {
  const { OriginalStatusCode: status, OriginalMessage: text } = isRecord(thrown) ? thrown : {}
  // The container said nothing within the minute that SageMaker gives it.
  if (status === 0) return errorFromStatus(504, undefined)
  return errorFromStatus(typeof status === 'number' && status >= 400 ? status : 502, readBody(text))
}

function readBody(text: unknown): unknown {
  if (typeof text !== 'string') return undefined
  try {
    return JSON.parse(text)
  } catch {
    // Words of a web framework or half an error: nothing to show anybody, but one thing to know.
    return CONTEXT_LENGTH.test(text) ? { code: 'context_length_exceeded' } : undefined
  }
}

/** A name goes into our log, so it must look like one. */
const WORD = /^\w{1,64}$/
/** Names of what the platform and AWS's client throw by themselves. */
const NOT_OF_AWS = /^(\w*Error|DOMException)$/
const OF_AWS = /^(ModelError|ModelStreamError|ValidationError)$/

type Exception = { name: string | undefined; status: number | undefined; retryAfter: string | null }

/** By structure: a class is another in each copy of the package, and what AWS does not document has none. */
function readException(thrown: unknown): Exception {
  if (!isRecord(thrown)) return { name: undefined, status: undefined, retryAfter: null }
  const metadata = isRecord(thrown.$metadata) ? thrown.$metadata : {}
  const response = isRecord(thrown.$response) ? thrown.$response : {}
  const headers = isRecord(response.headers) ? response.headers : {}
  const retryAfter = headers['retry-after']
  return {
    name: isName(thrown.name) ? thrown.name : undefined,
    status: typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined,
    retryAfter: typeof retryAfter === 'string' ? retryAfter : null,
  }
}

function isName(name: unknown): name is string {
  return typeof name === 'string' && WORD.test(name) && (!NOT_OF_AWS.test(name) || OF_AWS.test(name))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
