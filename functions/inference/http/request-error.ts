/** Everything that can go wrong with a request, as one table, and the envelope in which OpenAI's clients expect it. */
import type { OpenAiErrorBody } from '../../../src/contract/chat-completion.ts'
import type { EngineErrorCode } from '../engine/engine-client.ts'

type Entry = { status: number; type: 'invalid_request_error' | 'authentication_error' | 'server_error' }

const ERRORS = {
  invalid_json: { status: 400, type: 'invalid_request_error' },
  invalid_content_type: { status: 400, type: 'invalid_request_error' },
  invalid_request: { status: 400, type: 'invalid_request_error' },
  unsupported_parameter: { status: 400, type: 'invalid_request_error' },
  unknown_parameter: { status: 400, type: 'invalid_request_error' },
  context_length_exceeded: { status: 400, type: 'invalid_request_error' },
  invalid_api_key: { status: 401, type: 'authentication_error' },
  not_found: { status: 404, type: 'invalid_request_error' },
  model_not_found: { status: 404, type: 'invalid_request_error' },
  adapter_unusable: { status: 400, type: 'invalid_request_error' },
  adapter_unloaded: { status: 404, type: 'invalid_request_error' },
  method_not_allowed: { status: 405, type: 'invalid_request_error' },
  body_too_large: { status: 413, type: 'invalid_request_error' },
  internal_error: { status: 500, type: 'server_error' },
  engine_crashed: { status: 500, type: 'server_error' },
  deadline_exceeded: { status: 504, type: 'server_error' },
  grammar_failed: { status: 500, type: 'server_error' },
  queue_full: { status: 503, type: 'server_error' },
  model_loading: { status: 503, type: 'server_error' },
  engine_unavailable: { status: 503, type: 'server_error' },
  draining: { status: 503, type: 'server_error' },
} satisfies Record<string, Entry>

export type ErrorCode = keyof typeof ERRORS

export class RequestError extends Error {
  readonly code: ErrorCode
  readonly param: string | null

  /** @param param the field of the request that is wrong, as a path such as `messages[0].content` */
  constructor(code: ErrorCode, message: string, param: string | null = null) {
    super(message)
    this.code = code
    this.param = param
  }

  get status(): number {
    return ERRORS[this.code].status
  }

  body(): OpenAiErrorBody {
    return { error: { message: this.message, type: ERRORS[this.code].type, param: this.param, code: this.code } }
  }
}

/** What its caller is told of an error: of one that is not the request's, nothing. */
export function asRequestError(error: unknown): RequestError {
  return error instanceof RequestError
    ? error
    : new RequestError('internal_error', 'The server failed at this request.')
}

const ENGINE_MESSAGES: Record<EngineErrorCode, string> = {
  engine_crashed: 'The inference engine died while it answered; it is being started again.',
  engine_unavailable: 'The inference engine is not running.',
  adapter_unloaded: 'The adapter was unloaded.',
  grammar_failed: 'What holds the answer to its schema died; it is started again for the next request.',
}

/** What the engine said, for the caller. */
export function engineError(code: EngineErrorCode): RequestError {
  return new RequestError(code, ENGINE_MESSAGES[code])
}
