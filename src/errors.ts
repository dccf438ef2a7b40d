/**
 * The one table of errors. `message` is for the caller, `cause` for the log, `code` for the program.
 * Every code has a row in docs/errors.md and a test; every answer to a caller that is not a success comes from here.
 * Its length is that of the table.
 */

type ErrorRow = {
  /** HTTP status when nothing has been sent yet; afterwards the error is an event. */
  status: 400 | 401 | 403 | 404 | 405 | 409 | 412 | 413 | 415 | 429 | 499 | 500 | 502 | 503 | 504
  /** OpenAI's `error.type`. */
  type:
    | 'invalid_request_error'
    | 'authentication_error'
    | 'permission_error'
    | 'not_found_error'
    | 'rate_limit_error'
    | 'api_error'
  /** RFC 9457 `title`: the same for every occurrence. */
  title: string
  /** Whether the same request may succeed later, unchanged. */
  retryable: boolean
  log: 'debug' | 'info' | 'warn' | 'error'
}

export const ERRORS = {
  invalid_json: {
    status: 400,
    type: 'invalid_request_error',
    title: 'The body is not valid JSON',
    retryable: false,
    log: 'info',
  },
  invalid_request: {
    status: 400,
    type: 'invalid_request_error',
    title: 'A field of the request is not allowed',
    retryable: false,
    log: 'info',
  },
  context_length_exceeded: {
    status: 400,
    type: 'invalid_request_error',
    title: 'The prompt is longer than the model can read',
    retryable: false,
    log: 'info',
  },
  upstream_rejected: {
    status: 400,
    type: 'invalid_request_error',
    title: 'The model refused the request',
    retryable: false,
    log: 'info',
  },
  content_blocked: {
    status: 400,
    type: 'invalid_request_error',
    title: 'A rule forbids this content',
    retryable: false,
    log: 'info',
  },
  invalid_grant: {
    status: 400,
    type: 'invalid_request_error',
    title: 'These credentials are not valid',
    retryable: false,
    log: 'info',
  },
  unsupported_grant_type: {
    status: 400,
    type: 'invalid_request_error',
    title: 'This kind of grant is not known',
    retryable: false,
    log: 'info',
  },
  invalid_api_key: {
    status: 401,
    type: 'authentication_error',
    title: 'No valid API key',
    retryable: false,
    log: 'info',
  },
  invalid_token: {
    status: 401,
    type: 'authentication_error',
    title: 'The access token is not valid',
    retryable: false,
    log: 'info',
  },
  invalid_signature: {
    status: 401,
    type: 'authentication_error',
    title: 'The signature is not valid',
    retryable: false,
    log: 'warn',
  },
  permission_denied: {
    status: 403,
    type: 'permission_error',
    title: 'The key lacks a scope',
    retryable: false,
    log: 'info',
  },
  origin_not_allowed: {
    status: 403,
    type: 'permission_error',
    title: 'The key may not be used from here',
    retryable: false,
    log: 'warn',
  },
  not_found: { status: 404, type: 'not_found_error', title: 'There is no such route', retryable: false, log: 'info' },
  model_not_found: {
    status: 404,
    type: 'not_found_error',
    title: 'There is no such model',
    retryable: false,
    log: 'info',
  },
  prompt_not_found: {
    status: 404,
    type: 'not_found_error',
    title: 'There is no such prompt template',
    retryable: false,
    log: 'info',
  },
  resource_not_found: {
    status: 404,
    type: 'not_found_error',
    title: 'There is no such object',
    retryable: false,
    log: 'info',
  },
  conversation_not_found: {
    status: 404,
    type: 'not_found_error',
    title: 'There is no such conversation',
    retryable: false,
    log: 'info',
  },
  method_not_allowed: {
    status: 405,
    type: 'invalid_request_error',
    title: 'The route has no such method',
    retryable: false,
    log: 'info',
  },
  already_exists: {
    status: 409,
    type: 'invalid_request_error',
    title: 'There is one of this name',
    retryable: false,
    log: 'info',
  },
  conversation_busy: {
    status: 409,
    type: 'invalid_request_error',
    title: 'Too many turns wait in this conversation',
    retryable: true,
    log: 'info',
  },
  conversation_full: {
    status: 409,
    type: 'invalid_request_error',
    title: 'The conversation is as long as it may be',
    retryable: false,
    log: 'info',
  },
  stale_write: {
    status: 412,
    type: 'invalid_request_error',
    title: 'The object has changed since it was read',
    retryable: false,
    log: 'info',
  },
  body_too_large: {
    status: 413,
    type: 'invalid_request_error',
    title: 'The body is too large',
    retryable: false,
    log: 'info',
  },
  unsupported_media_type: {
    status: 415,
    type: 'invalid_request_error',
    title: 'The body is of another kind than the route takes',
    retryable: false,
    log: 'info',
  },
  rate_limited: {
    status: 429,
    type: 'rate_limit_error',
    title: 'Too many requests',
    retryable: true,
    log: 'info',
  },
  insufficient_quota: {
    status: 429,
    type: 'rate_limit_error',
    title: 'The budget is spent',
    retryable: false,
    log: 'info',
  },
  upstream_rate_limited: {
    status: 429,
    type: 'rate_limit_error',
    title: 'The model is rate limited',
    retryable: true,
    log: 'warn',
  },
  /** Never reaches the caller, who is gone; it is what the log and the metrics say. */
  caller_gone: { status: 499, type: 'api_error', title: 'The caller hung up', retryable: false, log: 'info' },
  internal_error: { status: 500, type: 'api_error', title: 'Something went wrong here', retryable: true, log: 'error' },
  upstream_unavailable: {
    status: 502,
    type: 'api_error',
    title: 'The model cannot be reached',
    retryable: true,
    log: 'error',
  },
  upstream_misconfigured: {
    status: 502,
    type: 'api_error',
    title: 'The model refuses our credentials',
    retryable: false,
    log: 'error',
  },
  upstream_interrupted: {
    status: 502,
    type: 'api_error',
    title: 'The model stopped in the middle of its answer',
    retryable: true,
    log: 'error',
  },
  store_unavailable: {
    status: 503,
    type: 'api_error',
    title: 'A store of ours does not answer',
    retryable: true,
    log: 'error',
  },
  not_configured: {
    status: 503,
    type: 'api_error',
    title: 'This installation lacks a setting for it',
    retryable: false,
    log: 'error',
  },
  upstream_overloaded: { status: 503, type: 'api_error', title: 'The model is busy', retryable: true, log: 'warn' },
  upstream_timeout: {
    status: 504,
    type: 'api_error',
    title: 'The model did not answer in time',
    retryable: true,
    log: 'error',
  },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERRORS

/** An error as plain data: what crosses an RPC boundary, where classes are lost. */
export type ErrorValue = {
  code: ErrorCode
  message: string
  /** Path of the offending field, as `messages.0.role`. */
  param?: string
  retryAfterSeconds?: number
  /** For the caller: members that problem details get besides their own (RFC 9457 3.2). Never what was said, never a secret. */
  details?: ErrorDetails
}

export type ErrorDetails = Readonly<Record<string, string | number | readonly FieldProblem[]>>

/** One of several mistakes in one body: the path of the field, and what is allowed there, as `must be ...`. */
export type FieldProblem = { param: string; detail: string }

type AppErrorOptions = {
  cause?: unknown
  /** RFC 6750 3.1: what WWW-Authenticate says of the token that was given. */
  challenge?: 'invalid_token'
  param?: string
  retryAfterSeconds?: number
  details?: ErrorDetails
}

export class AppError extends Error {
  readonly code: ErrorCode
  readonly param: string | undefined
  readonly retryAfterSeconds: number | undefined
  readonly details: ErrorDetails | undefined
  readonly challenge: 'invalid_token' | undefined

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.param = options.param
    this.retryAfterSeconds = options.retryAfterSeconds
    this.details = options.details
    this.challenge = options.challenge
  }

  static fromValue(value: ErrorValue): AppError {
    return new AppError(value.code, value.message, value)
  }

  toValue(): ErrorValue {
    return {
      code: this.code,
      message: this.message,
      ...(this.param === undefined ? {} : { param: this.param }),
      ...(this.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: this.retryAfterSeconds }),
      ...(this.details === undefined ? {} : { details: { ...this.details } }),
    }
  }
}

/** What anything thrown means for the caller. An unknown error says nothing of itself: its text may hold secrets. */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown
  return new AppError('internal_error', 'Something went wrong on our side.', { cause: thrown })
}
