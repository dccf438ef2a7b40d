/** The shapes that an error takes on the wire. All of them from the one table, all with the request id. */
import type { OpenAiErrorBody } from '../../contract/chat-completion.ts'
import type { MessageError, MessageErrorType } from '../../contract/messages.ts'
import { type AppError, ERRORS } from '../../errors.ts'
import type { ErrorShape } from '../route.ts'

/** The whole response. 405 needs `allow`, which the caller adds. */
export function errorResponse(error: AppError, shape: ErrorShape, requestId: string): Response {
  const { status } = ERRORS[error.code]
  const headers: Record<string, string> = { 'content-type': CONTENT_TYPES[shape], 'cache-control': 'no-store' }
  if (error.retryAfterSeconds !== undefined) headers['retry-after'] = String(error.retryAfterSeconds)
  // RFC 9110 11.6.1: a 401 says how to authenticate. RFC 6750 3: and what was wrong, where something was given.
  if (status === 401) {
    headers['www-authenticate'] = `Bearer realm="perigee"${error.challenge ? `, error="${error.challenge}"` : ''}`
  }
  return new Response(JSON.stringify(BODIES[shape](error, requestId)), { status, headers })
}

const CONTENT_TYPES: Record<ErrorShape, string> = {
  openai: 'application/json',
  anthropic: 'application/json',
  oauth: 'application/json',
  problem: 'application/problem+json',
}

const BODIES: Record<ErrorShape, (error: AppError, requestId: string) => object> = {
  openai: openAiError,
  anthropic: anthropicError,
  oauth: oauthError,
  problem: problemDetails,
}

/** Also the `data` of an error event. */
export function openAiError(error: AppError, requestId: string): OpenAiErrorBody {
  return {
    error: {
      message: error.message,
      type: ERRORS[error.code].type,
      param: error.param ?? null,
      code: error.code,
      request_id: requestId,
    },
  }
}

/** Also the `data` of an error event. Anthropic's has no `code`; its clients leave fields that they do not know alone. */
export function anthropicError(error: AppError, requestId: string): MessageError {
  const { status } = ERRORS[error.code]
  const type = ANTHROPIC_TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error')
  const message = error.param === undefined ? error.message : `${error.param}: ${error.message}`
  return { type: 'error', error: { type, message, code: error.code }, request_id: requestId }
}

/** By the status that Anthropic's own errors have. */
const ANTHROPIC_TYPES: Readonly<Record<number, MessageErrorType>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
}

/** RFC 6749 5.2 has a short list of codes; ours is the description. A code outside the list becomes the nearest of it. */
function oauthError(error: AppError, requestId: string): object {
  const known = error.code === 'invalid_grant' || error.code === 'unsupported_grant_type'
  return {
    error: known ? error.code : ERRORS[error.code].status < 500 ? 'invalid_request' : 'server_error',
    error_description: error.message,
    request_id: requestId,
  }
}

/** RFC 9457. `type` is a relative URI: the page that explains the code is served by this very Worker. */
function problemDetails(error: AppError, requestId: string): object {
  const { status, title, retryable } = ERRORS[error.code]
  return {
    ...error.details,
    type: `/docs#${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    retryable,
    request_id: requestId,
    ...(error.param === undefined ? {} : { param: error.param }),
  }
}
