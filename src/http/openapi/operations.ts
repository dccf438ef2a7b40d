/** What the OpenAPI document says of each route beyond the route table. Not in the bundle: see schemas.ts. */
import { ADMIN_OPERATIONS } from './admin-operations.ts'
import { BUDGET_OPERATIONS } from './budget-operations.ts'
import { FILTER_OPERATIONS } from './filter-operations.ts'
import { HEALTH_OPERATIONS } from './health-operations.ts'
import { LIMIT_OPERATIONS } from './limit-operations.ts'
import { MESSAGE_OPERATIONS } from './message-operations.ts'
import { BODY, KEY, MODEL, type Operation } from './operation.ts'
import { PROMPT_OPERATIONS } from './prompt-operations.ts'
import { REQUEST_OPERATIONS } from './request-operations.ts'
import { ROUTING_OPERATIONS } from './routing-operations.ts'
import { USER_OPERATIONS } from './user-operations.ts'

const COMPLETION = [...KEY, ...BODY, ...MODEL, 'content_blocked', 'insufficient_quota', 'store_unavailable'] as const

const ALIAS = 'smollm2-135m-instruct'
const CREATED = 1_764_000_000
const MODEL_OBJECT = {
  id: ALIAS,
  object: 'model',
  created: CREATED,
  owned_by: 'perigee',
  perigee: { capabilities: ['json_schema', 'logprobs', 'n', 'tools'], context_tokens: 4_096 },
}
const CONVERSATION = `conv_${'4hT9'.repeat(8)}`
const USAGE = { prompt_tokens: 37, completion_tokens: 9, total_tokens: 46 }
const STREAMING =
  'With `"stream": true` the answer comes as server-sent events and ends with `data: [DONE]`. An answer that fails midway ends with ' +
  'an event `data: {"error": ...}` and without `[DONE]`: whatever lacks it is not complete.'

const CACHING =
  ' Answers to requests with temperature 0 or a seed are remembered and shared; the header `x-perigee-cache: on` or `off` and ' +
  '`Cache-Control` (no-cache, no-store, max-age) say otherwise. The answer has `x-perigee-cache`: hit, miss, join or bypass, and a hit has `Age`.'

/** By method and path of the route table. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'POST /v1/chat/completions': {
    id: 'createChatCompletion',
    tag: 'Completions',
    summary: 'Answer a conversation',
    description: `As OpenAI's, for its clients. ${STREAMING}${CACHING}`,
    request: {
      schema: 'ChatRequest',
      example: { model: ALIAS, messages: [{ role: 'user', content: 'What is 7 + 5?' }], temperature: 0, stream: true },
    },
    answers: {
      'application/json': {
        schema: 'ChatResponse',
        example: {
          id: 'chatcmpl-7d0e1c',
          object: 'chat.completion',
          created: CREATED,
          model: ALIAS,
          choices: [
            {
              index: 0,
              message: { role: 'assistant', content: '7 + 5 = 12.', refusal: null },
              finish_reason: 'stop',
              logprobs: null,
            },
          ],
          usage: USAGE,
        },
      },
      'text/event-stream': { schema: 'ChatChunk' },
    },
    errors: [...COMPLETION, 'prompt_not_found'],
  },
  'POST /v1/completions': {
    id: 'createCompletion',
    tag: 'Completions',
    summary: 'Continue a text or token ids',
    description: `As OpenAI's, for its clients. ${STREAMING}${CACHING}`,
    request: {
      schema: 'TextRequest',
      example: { model: ALIAS, prompt: 'One, two, three,', max_tokens: 8, temperature: 0 },
    },
    answers: {
      'application/json': {
        schema: 'TextResponse',
        example: {
          id: 'cmpl-7d0e1c',
          object: 'text_completion',
          created: CREATED,
          model: ALIAS,
          choices: [{ index: 0, text: ' four, five, six,', finish_reason: 'length', logprobs: null }],
          usage: { prompt_tokens: 6, completion_tokens: 8, total_tokens: 14 },
        },
      },
      'text/event-stream': { schema: 'TextResponse' },
    },
    errors: COMPLETION,
  },
  'GET /v1/models': {
    id: 'listModels',
    tag: 'Models',
    summary: 'List the models',
    description:
      "As OpenAI's, those that the key may use. `perigee` says what at least one deployment of a model can do, and the longest context that one reads, null where nobody says.",
    answers: {
      'application/json': {
        schema: 'ModelList',
        example: { object: 'list', data: [MODEL_OBJECT] },
      },
    },
    errors: KEY,
  },
  'GET /v1/models/:id': {
    id: 'retrieveModel',
    tag: 'Models',
    summary: 'Describe one model',
    description: "As OpenAI's.",
    answers: {
      'application/json': {
        schema: 'Model',
        example: MODEL_OBJECT,
      },
    },
    errors: [...KEY, 'model_not_found'],
  },
  'POST /chat': {
    id: 'chat',
    tag: 'Conversations',
    summary: 'Take one turn in a stored conversation',
    description:
      'The history is kept here and sent to the model, oldest turns dropped first where its context ends. Turns of one conversation ' +
      'are answered one after the other. A conversation is deleted a while after its last turn, by default 7 days. ' +
      'When the first turn of a new conversation fails and is kept, the error has its `conversation_id`: go on there.',
    request: {
      schema: 'ChatTurnRequest',
      example: { message: 'What is 7 + 5?', user_id: 'ada', model_config: { temperature: 0 } },
    },
    answers: {
      'application/json': {
        schema: 'ChatTurnResponse',
        example: {
          response: '7 + 5 = 12.',
          conversation_id: CONVERSATION,
          timestamp: '2026-11-23T22:46:01.000Z',
          model_used: ALIAS,
        },
      },
    },
    errors: [...COMPLETION, 'conversation_not_found', 'conversation_busy', 'conversation_full'],
  },
  'POST /generate': {
    id: 'generate',
    tag: 'Completions',
    summary: 'Continue a text with the default model',
    description: `The smallest way in: a text goes in, its likeliest continuation comes out.${CACHING}`,
    request: { schema: 'GenerateRequest', example: { text: 'One, two, three,', max_length: 8 } },
    answers: { 'application/json': { schema: 'GenerateResponse', example: { generated_text: ' four, five, six,' } } },
    errors: COMPLETION,
  },
  ...MESSAGE_OPERATIONS,
  ...PROMPT_OPERATIONS,
  ...BUDGET_OPERATIONS,
  ...REQUEST_OPERATIONS,
  ...FILTER_OPERATIONS,
  ...ADMIN_OPERATIONS,
  ...ROUTING_OPERATIONS,
  ...USER_OPERATIONS,
  ...LIMIT_OPERATIONS,
  ...HEALTH_OPERATIONS,
  'GET /metrics': {
    id: 'metrics',
    tag: 'Operation',
    summary: 'Metrics for Prometheus',
    description: 'Of all isolates together, in the text format 0.0.4. The key needs the scope `metrics:read`.',
    answers: { 'text/plain': { example: `llm_requests_total{model="${ALIAS}",status="success",code="ok"} 3\n` } },
    errors: KEY,
  },
  'GET /health': {
    id: 'health',
    tag: 'Operation',
    summary: 'Say that the edge answers',
    description: 'Asks no model.',
    answers: {
      'application/json': { schema: 'Health', example: { status: 'ok', timestamp: '2026-11-23T22:46:01.000Z' } },
    },
    errors: [],
  },
  'GET /openapi.json': {
    id: 'openapi',
    tag: 'Operation',
    summary: 'This document',
    description: 'OpenAPI 3.1.',
    answers: { 'application/json': {} },
    errors: [],
  },
  'GET /docs': {
    id: 'docs',
    tag: 'Operation',
    summary: 'This document for people',
    description: 'One page without scripts or anything from elsewhere.',
    answers: { 'text/html': {} },
    errors: [],
  },
}
