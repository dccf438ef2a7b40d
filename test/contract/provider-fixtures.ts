/**
 * What each provider's endpoint says, written by us in the shape that its documentation shows: the events of one streamed answer, and one
 * refusal. None was recorded from a service.
 */
import type { PresetName } from '../../src/contract/provider-presets.ts'
import type { ErrorCode } from '../../src/errors.ts'

export type ProviderFixture = {
  /** As the connection has it, comments and line ends included. */
  stream: string
  /** What a caller reads of it. */
  says: { text: string; finish: string; tokens: number; thinks?: string }
  refusal: { status: number; body: unknown; code: ErrorCode; message?: string }
}

const HEAD = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_764_000_000, model: 'm-1' }
const USAGE = { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 }

type Fields = Record<string, unknown>
const choice = (delta: Fields, finish: string | null = null, more: Fields = {}): Fields => ({
  choices: [{ index: 0, delta, finish_reason: finish, ...more }],
})
const data = (...events: Fields[]): string =>
  [...events.map((event) => `data: ${JSON.stringify({ ...HEAD, ...event })}\n\n`), 'data: [DONE]\n\n'].join('')

/** Usage in an event of its own, without choices, as `stream_options` asks for. */
const SEPARATE = data(
  choice({ role: 'assistant', content: '' }),
  choice({ content: 'Hel' }),
  choice({ content: 'lo' }),
  choice({}, 'stop'),
  { choices: [], usage: USAGE },
)
/** Usage with the finish reason. */
const TOGETHER = data(choice({ role: 'assistant', content: 'Hel' }), {
  ...choice({ content: 'lo' }, 'stop'),
  usage: USAGE,
})
const SAYS = { text: 'Hello', finish: 'stop', tokens: 11 }
const openaiError = (status: number, code: ErrorCode, error: Fields, message?: string) => ({
  status,
  body: { error },
  code,
  ...(message === undefined ? {} : { message }),
})
const REJECTED = 'temperature must be at most 2'

/** Anthropic's events, each with its name. */
const named = (...events: { type: string; [field: string]: unknown }[]) =>
  events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')

export const FIXTURES: Readonly<Record<PresetName, ProviderFixture>> = {
  perigee: {
    stream: SEPARATE,
    says: SAYS,
    refusal: openaiError(400, 'context_length_exceeded', {
      message: 'This model reads 4096 tokens.',
      type: 'invalid_request_error',
      param: 'messages',
      code: 'context_length_exceeded',
    }),
  },
  openai: {
    stream: SEPARATE,
    says: SAYS,
    refusal: openaiError(
      400,
      'context_length_exceeded',
      {
        message: "This model's maximum context length is 128000 tokens.",
        type: 'invalid_request_error',
        param: 'messages',
        code: 'context_length_exceeded',
      },
      "This model's maximum context length is 128000 tokens.",
    ),
  },
  'azure-openai': {
    stream: data(
      {
        choices: [],
        prompt_filter_results: [{ prompt_index: 0, content_filter_results: { hate: { filtered: false } } }],
      },
      choice({ role: 'assistant', content: '' }, null, { content_filter_results: {} }),
      choice({ content: 'Hello' }, null, { content_filter_results: { hate: { filtered: false, severity: 'safe' } } }),
      choice({}, 'stop', { content_filter_results: {} }),
      { choices: [], usage: USAGE },
    ),
    says: SAYS,
    refusal: openaiError(401, 'upstream_misconfigured', {
      code: '401',
      message: 'Access denied due to invalid subscription key or wrong API endpoint.',
    }),
  },
  gemini: {
    stream: data(choice({ role: 'assistant', content: 'Hel' }), {
      ...choice({ role: 'assistant', content: 'lo' }, 'stop'),
      usage: USAGE,
    }),
    says: SAYS,
    refusal: {
      status: 400,
      body: [{ error: { code: 400, message: REJECTED, status: 'INVALID_ARGUMENT' } }],
      code: 'upstream_rejected',
      message: REJECTED,
    },
  },
  mistral: {
    stream: TOGETHER,
    says: SAYS,
    refusal: {
      status: 422,
      body: { detail: [{ type: 'less_than_equal', loc: ['body', 'temperature'], msg: REJECTED, input: 3 }] },
      code: 'upstream_rejected',
      message: REJECTED,
    },
  },
  groq: {
    stream: data(
      { ...choice({ role: 'assistant', content: '' }), x_groq: { id: 'req_1' } },
      choice({ content: 'Hello' }),
      { ...choice({}, 'stop'), x_groq: { id: 'req_1', usage: USAGE } },
      { choices: [], usage: { ...USAGE, queue_time: 0.01, total_time: 0.1 } },
    ),
    says: SAYS,
    refusal: openaiError(429, 'upstream_rate_limited', {
      message: 'Rate limit reached for model m-1 in organization org_1 on tokens per minute.',
      type: 'tokens',
      code: 'rate_limit_exceeded',
    }),
  },
  together: {
    stream: data(choice({ role: 'assistant', content: 'Hel', token_id: 9 }, null, { text: 'Hel', seed: null }), {
      ...choice({ role: 'assistant', content: 'lo', token_id: 10 }, 'stop', { text: 'lo', seed: 7 }),
      usage: USAGE,
    }),
    says: SAYS,
    refusal: openaiError(
      400,
      'upstream_rejected',
      { message: REJECTED, type: 'invalid_request_error', param: 'temperature', code: null },
      REJECTED,
    ),
  },
  fireworks: {
    stream: TOGETHER,
    says: SAYS,
    refusal: openaiError(404, 'upstream_misconfigured', {
      object: 'error',
      type: 'invalid_request_error',
      code: 'NOT_FOUND',
      message: 'Model not found, inaccessible, and/or not deployed',
    }),
  },
  deepseek: {
    stream: `: keep-alive\n\n${data(
      choice({ role: 'assistant', content: null, reasoning_content: 'Hm.' }),
      choice({ content: 'Hello', reasoning_content: null }),
      { ...choice({ content: '', reasoning_content: null }, 'stop'), usage: USAGE },
    )}`,
    says: { ...SAYS, thinks: 'Hm.' },
    refusal: openaiError(402, 'upstream_rejected', {
      message: 'Insufficient Balance',
      type: 'unknown_error',
      param: null,
      code: 'invalid_request_error',
    }),
  },
  qwen: {
    stream: SEPARATE,
    says: SAYS,
    refusal: {
      status: 400,
      body: {
        error: { message: REJECTED, type: 'invalid_request_error', param: null, code: 'invalid_parameter_error' },
        request_id: 'r-1',
      },
      code: 'upstream_rejected',
      message: REJECTED,
    },
  },
  moonshot: {
    stream: data(
      choice({ role: 'assistant', content: '' }),
      choice({ content: 'Hello' }),
      choice({}, 'stop', { usage: USAGE }),
      { choices: [], usage: USAGE },
    ),
    says: SAYS,
    refusal: openaiError(401, 'upstream_misconfigured', {
      message: 'Invalid Authentication',
      type: 'invalid_authentication_error',
    }),
  },
  zhipu: {
    stream: data(
      choice({ role: 'assistant', reasoning_content: 'Hm.' }),
      choice({ role: 'assistant', content: 'Hello' }),
      { ...choice({ role: 'assistant', content: '' }, 'stop'), usage: USAGE },
    ),
    says: { ...SAYS, thinks: 'Hm.' },
    refusal: openaiError(400, 'upstream_rejected', { code: '1210', message: REJECTED }, REJECTED),
  },
  openrouter: {
    stream: `: OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n${data(
      { ...choice({ role: 'assistant', content: 'Hello' }, null, { native_finish_reason: null }), provider: 'A' },
      { ...choice({ content: '' }, 'stop', { native_finish_reason: 'end_turn' }), provider: 'A' },
      { choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }], usage: USAGE },
    )}`,
    says: SAYS,
    refusal: openaiError(503, 'upstream_overloaded', {
      code: 503,
      message: 'There is no available model provider that meets your routing requirements.',
      metadata: { provider_name: 'A' },
    }),
  },
  xai: {
    stream: data(
      choice({ role: 'assistant', content: '', reasoning_content: 'Hm.' }),
      choice({ content: 'Hello' }),
      choice({}, 'stop'),
      { choices: [], usage: USAGE },
    ),
    says: { ...SAYS, thinks: 'Hm.' },
    refusal: {
      status: 400,
      body: { code: 'Client specified an invalid argument', error: REJECTED },
      code: 'upstream_rejected',
      message: REJECTED,
    },
  },
  cerebras: {
    stream: data(choice({ role: 'assistant' }), choice({ content: 'Hello' }), {
      ...choice({}, 'stop'),
      usage: USAGE,
      time_info: { queue_time: 0.01, prompt_time: 0.01, completion_time: 0.01, total_time: 0.03 },
    }),
    says: SAYS,
    refusal: {
      status: 400,
      body: { message: REJECTED, type: 'invalid_request_error', param: 'temperature', code: 'wrong_api_format' },
      code: 'upstream_rejected',
      message: REJECTED,
    },
  },
  'workers-ai': {
    stream: TOGETHER,
    says: SAYS,
    refusal: {
      status: 400,
      body: { errors: [{ code: 5006, message: REJECTED }], success: false, result: {}, messages: [] },
      code: 'upstream_rejected',
      message: REJECTED,
    },
  },
  bedrock: {
    stream: SEPARATE,
    says: SAYS,
    refusal: openaiError(404, 'upstream_misconfigured', {
      code: 'not_found_error',
      message: "The model 'm-1' does not exist",
      param: null,
      type: 'invalid_request_error',
    }),
  },
  vertex: {
    stream: data(choice({ role: 'assistant', content: 'Hello' }), {
      ...choice({ role: 'assistant', content: '' }, 'stop'),
      usage: { ...USAGE, extra_properties: { google: { traffic_type: 'ON_DEMAND' } } },
    }),
    says: SAYS,
    refusal: {
      status: 401,
      body: [
        { error: { code: 401, message: 'Request had invalid authentication credentials.', status: 'UNAUTHENTICATED' } },
      ],
      code: 'upstream_misconfigured',
    },
  },
  huggingface: {
    stream: SEPARATE,
    says: SAYS,
    refusal: { status: 400, body: { error: REJECTED }, code: 'upstream_rejected', message: REJECTED },
  },
  ollama: {
    stream: data(
      { ...choice({ role: 'assistant', content: 'Hello' }), system_fingerprint: 'fp_ollama' },
      choice({ role: 'assistant', content: '' }, 'stop'),
      { choices: [], usage: USAGE },
    ),
    says: SAYS,
    refusal: openaiError(404, 'upstream_misconfigured', {
      message: 'model "m-1" not found, try pulling it first',
      type: 'api_error',
      param: null,
      code: null,
    }),
  },
  vllm: {
    stream: SEPARATE,
    says: SAYS,
    refusal: {
      status: 400,
      body: {
        object: 'error',
        message: "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
        type: 'BadRequestError',
        param: null,
        code: 400,
      },
      code: 'context_length_exceeded',
    },
  },
  sglang: {
    stream: data(
      choice({ role: 'assistant', content: '', reasoning_content: null }, null, { matched_stop: null }),
      choice({ content: 'Hello' }, null, { matched_stop: null }),
      choice({}, 'stop', { matched_stop: 2 }),
      { choices: [], usage: { ...USAGE, prompt_tokens_details: null } },
    ),
    says: SAYS,
    refusal: {
      status: 400,
      body: { object: 'error', message: REJECTED, type: 'BadRequest', param: null, code: 400 },
      code: 'upstream_rejected',
      message: REJECTED,
    },
  },
  'llama-cpp': {
    stream: data(choice({ role: 'assistant', content: null }), choice({ content: 'Hello' }), choice({}, 'stop'), {
      choices: [],
      usage: USAGE,
      timings: { prompt_n: 9, predicted_n: 2, predicted_per_second: 50 },
    }),
    says: SAYS,
    refusal: openaiError(400, 'context_length_exceeded', {
      code: 400,
      message: 'the request exceeds the available context size, try increasing it',
      type: 'exceed_context_size_error',
      n_prompt_tokens: 5_000,
      n_ctx: 4_096,
    }),
  },
  'lm-studio': {
    stream: SEPARATE,
    says: SAYS,
    refusal: { status: 400, body: { error: REJECTED }, code: 'upstream_rejected', message: REJECTED },
  },
  anthropic: {
    stream: named(
      {
        type: 'message_start',
        message: {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          model: 'm-1',
          content: [],
          usage: { input_tokens: 9, output_tokens: 1 },
        },
      },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'ping' },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hello' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 2 } },
      { type: 'message_stop' },
    ),
    says: SAYS,
    refusal: {
      status: 529,
      body: { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' }, request_id: 'req_011' },
      code: 'upstream_overloaded',
    },
  },
  litellm: {
    stream: SEPARATE,
    says: SAYS,
    refusal: openaiError(429, 'upstream_rate_limited', {
      message: 'litellm.RateLimitError: OpenAIException - quota exceeded',
      type: 'throttling_error',
      param: null,
      code: '429',
    }),
  },
}
