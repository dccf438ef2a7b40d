/** What the OpenAPI document says of Anthropic's routes. */
import { BODY, KEY, MODEL, type Operation } from './operation.ts'

const REQUEST = {
  model: 'smollm2-135m-instruct',
  max_tokens: 64,
  messages: [{ role: 'user', content: 'What is 7 + 5?' }],
}

export const MESSAGE_OPERATIONS: Readonly<Record<string, Operation>> = {
  'POST /v1/messages': {
    id: 'createMessage',
    tag: 'Messages',
    summary: "Answer a conversation in Anthropic's shape",
    description:
      'As Anthropic\'s, for its clients and for coding agents, onto any model. The key may come as `x-api-key`. With `"stream": true` the answer comes as ' +
      'named events and ends with `message_stop`; one that fails midway ends with an `error` event. Tools that Anthropic runs itself are refused.',
    request: { schema: 'MessagesRequest', example: REQUEST },
    answers: {
      'application/json': {
        schema: 'MessageResponse',
        example: {
          id: 'msg_7d0e1c',
          type: 'message',
          role: 'assistant',
          model: REQUEST.model,
          content: [{ type: 'text', text: '7 + 5 = 12.', citations: null }],
          stop_reason: 'end_turn',
          stop_sequence: null,
          usage: { input_tokens: 37, output_tokens: 9, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
        },
      },
      'text/event-stream': {},
    },
    errors: [...KEY, ...BODY, ...MODEL, 'content_blocked', 'insufficient_quota', 'store_unavailable'],
  },
  'POST /v1/messages/count_tokens': {
    id: 'countMessageTokens',
    tag: 'Messages',
    summary: 'Count the tokens of a prompt',
    description: "As Anthropic's. Counted by the model's own tokenizer and chat template.",
    request: {
      schema: 'CountTokensRequest',
      example: { model: REQUEST.model, messages: REQUEST.messages },
    },
    answers: { 'application/json': { schema: 'CountTokensResponse', example: { input_tokens: 37 } } },
    errors: [...KEY, ...BODY, ...MODEL, 'store_unavailable'],
  },
}
