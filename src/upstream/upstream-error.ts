/**
 * What an endpoint's refusal means for our caller. Nothing that names an account, a host, a path or code passes: a message is
 * forwarded only when it is about the request and shows none of these.
 */
import { AppError, type ErrorCode } from '../errors.ts'

/** An endpoint's error as far as we read it: OpenAI's envelope, vLLM's older flat one, or nothing. */
type Refusal = { message?: string; code?: string; param?: string }

/** A refusal's message above this length is a dump, not a sentence. */
const MESSAGE_CHARS_MAX = 400

/** Beyond an hour an endpoint means "not today"; the caller need not believe it to the second. */
const RETRY_AFTER_SECONDS_MAX = 3_600

/** `retryAfter` is the header's text. `body` is the parsed body or the parsed error event, if it could be parsed. */
export function errorFromStatus(status: number, body: unknown, retryAfter: string | null = null): AppError {
  const refusal = readRefusal(body)
  const cause = new Error(`The endpoint answered ${status}${refusal.code ? ` (${refusal.code})` : ''}.`)
  if (isContextLength(status, refusal)) {
    return new AppError(
      'context_length_exceeded',
      safe(refusal.message) ?? 'The prompt is longer than the model can read.',
      {
        cause,
        param: 'messages',
      },
    )
  }
  const code =
    CODES[status] ??
    (status >= 500 ? 'upstream_unavailable' : status >= 400 ? 'upstream_rejected' : 'upstream_misconfigured')
  if (code === 'upstream_rejected') {
    const param = safe(refusal.param)
    return new AppError(code, safe(refusal.message) ?? 'The model refused the request.', {
      cause,
      ...(param === undefined ? {} : { param }),
    })
  }
  return upstreamError(code, cause, readRetryAfter(retryAfter))
}

/** An error that says nothing of the request: the code has a sentence of its own. */
export function upstreamError(code: ErrorCode, cause: Error, retryAfterSeconds?: number): AppError {
  return new AppError(code, MESSAGES[code] ?? 'The model cannot be reached.', {
    cause,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  })
}

export const CODES: Readonly<Record<number, ErrorCode>> = {
  // Our credentials, our model name, our path: the caller's key and request are fine.
  401: 'upstream_misconfigured',
  403: 'upstream_misconfigured',
  404: 'upstream_misconfigured',
  405: 'upstream_misconfigured',
  // It waited for us, not we for it: the same request may be sent again at once (RFC 9110 15.5.9).
  408: 'upstream_unavailable',
  // It was not too large for us: the endpoint takes less than the edge does.
  413: 'body_too_large',
  429: 'upstream_rate_limited',
  503: 'upstream_overloaded',
  504: 'upstream_timeout',
  // Anthropic's and Cloudflare's ways of saying 503 and 504.
  524: 'upstream_timeout',
  529: 'upstream_overloaded',
}

const MESSAGES: Partial<Record<ErrorCode, string>> = {
  body_too_large: 'The request is larger than the model takes.',
  upstream_misconfigured: 'The model is set up wrongly on our side.',
  upstream_rate_limited: 'The model takes no more requests at the moment.',
  upstream_overloaded: 'The model is busy.',
  upstream_timeout: 'The model did not answer in time.',
}

/** The status that an error event's code stands for: vLLM puts the number there, our server the name. */
export function statusOfErrorEvent(body: unknown): number {
  const error = isRecord(body) && isRecord(body.error) ? body.error : {}
  const { code, type } = error
  if (typeof code === 'number' && Number.isInteger(code) && code >= 400 && code <= 599) return code
  if (code === 'context_length_exceeded' || type === 'invalid_request_error') return 400
  if (type === 'rate_limit_error') return 429
  if (type === 'overloaded_error') return 503
  if (typeof code === 'string' && BUSY.has(code)) return 503
  return 500
}

/** Our server's codes of status 503. */
const BUSY = new Set(['queue_full', 'model_loading', 'engine_unavailable'])

function readRefusal(body: unknown): Refusal {
  const { message, code, param } = errorOf(body)
  return {
    ...(typeof message === 'string' ? { message } : {}),
    // A code goes into our log, so it must look like one.
    ...(typeof code === 'string' && /^\w{1,64}$/.test(code) ? { code } : {}),
    // As our own errors write paths: messages.0.role.
    ...(typeof param === 'string' ? { param: param.replace(/\[(\d+)\]/g, '.$1') } : {}),
  }
}

/**
 * Google sends a list of one; xAI, Hugging Face and LM Studio a sentence as `error`; Cloudflare a list of `errors`; FastAPI's servers, as
 * Mistral's, a `detail`.
 */
function errorOf(body: unknown): Record<string, unknown> {
  if (Array.isArray(body)) return errorOf(body[0])
  if (!isRecord(body)) return {}
  const { error, errors, detail } = body
  if (isRecord(error)) return error
  if (typeof error === 'string') return { message: error, code: body.code }
  if (Array.isArray(errors) && isRecord(errors[0])) return errors[0]
  if (typeof detail === 'string') return { message: detail }
  if (Array.isArray(detail) && isRecord(detail[0])) return { message: detail[0].msg }
  return body
}

function isContextLength(status: number, refusal: Refusal): boolean {
  if (status !== 400 && status !== 413 && status !== 422) return false
  return refusal.code === 'context_length_exceeded' || TOO_LONG.test(refusal.message ?? '')
}

/** In the words of OpenAI and vLLM, of xAI, Anthropic, llama.cpp and Google. */
const TOO_LONG =
  /maximum (context|model|prompt) length|prompt is too long|exceeds? the (available context size|maximum number of tokens|model's (maximum )?context)/i

/** URLs, paths of two parts or more, addresses, dotted host names, source positions, tracebacks, account numbers and ARNs. */
const UNSAFE =
  /:\/\/|\/[\w.-]+\/|\\\w+\\|\b\d{1,3}(\.\d{1,3}){3}\b|\b[\w-]+(\.[\w-]+)*\.(com|net|org|io|ai|dev|cloud|local|internal|svc|lan|home)\b|localhost|\.(py|ts|js|cc|cpp|rs|go):?\b|traceback|\bat [\w.$<>]+ \(|\b\d{12}\b|\barn:|[\r\n]/i

function safe(text: string | undefined): string | undefined {
  if (text === undefined || text === '' || text.length > MESSAGE_CHARS_MAX || UNSAFE.test(text)) return undefined
  return text
}

/** Seconds, or an HTTP date that we do not honour: the endpoint's clock is not ours. */
export function readRetryAfter(text: string | null): number | undefined {
  if (text === null || !/^\d{1,9}$/.test(text)) return undefined
  return Math.min(Number(text), RETRY_AFTER_SECONDS_MAX)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
