/**
 * Both shapes reach both kinds of endpoints: what goes from Anthropic's shape to OpenAI's and back is what it was. The streams are in
 * the shape that Anthropic's documentation has, written for these tests; none was recorded from the real service.
 */
import { describe, expect, test } from 'vitest'
import type { ChatChunk } from '../../../src/contract/chat-completion.ts'
import { type MessageEvent, messagesRequestSchema } from '../../../src/contract/messages.ts'
import { AppError } from '../../../src/errors.ts'
import { messageEvents } from '../../../src/http/messages/message-events.ts'
import { toChatRequest } from '../../../src/http/messages/to-chat-request.ts'
import { chatChunks } from '../../../src/upstream/anthropic/chat-chunks.ts'
import { toMessagesRequest } from '../../../src/upstream/anthropic/to-messages-request.ts'

const MARK = { cache_control: { type: 'ephemeral' } }
const text = (said: string, more: object = {}) => ({ type: 'text', text: said, ...more })

const REQUEST = {
  model: 'claude',
  max_tokens: 100,
  stream: true,
  temperature: 0.5,
  top_p: 0.9,
  top_k: 40,
  stop_sequences: ['END'],
  metadata: { user_id: 'ada' },
  thinking: { type: 'enabled', budget_tokens: 1_024 },
  system: [text('You are careful.', MARK)],
  tools: [
    { name: 'read', description: 'Reads.', input_schema: { type: 'object', properties: {} }, ...MARK },
    { name: 'write', input_schema: { type: 'object', properties: { path: { type: 'string' } } } },
  ],
  tool_choice: { type: 'tool', name: 'read', disable_parallel_tool_use: true },
  messages: [
    {
      role: 'user',
      content: [
        text('Look:'),
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' }, ...MARK },
        { type: 'image', source: { type: 'url', url: 'https://x.example/i.png' } },
      ],
    },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Hm.', signature: 'sig' },
        { type: 'redacted_thinking', data: 'xyz' },
        text('I read both.'),
        { type: 'tool_use', id: 'toolu_1', name: 'read', input: { path: 'a' } },
        { type: 'tool_use', id: 'toolu_2', name: 'read', input: {} },
      ],
    },
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'toolu_1', content: [text('one')], ...MARK },
        { type: 'tool_result', tool_use_id: 'toolu_2', content: [text('gone')], is_error: true },
        text('And now?', MARK),
      ],
    },
  ],
}

describe('a request', () => {
  test("in Anthropic's shape is the same after having been one of OpenAI's", () => {
    expect(toMessagesRequest(toChatRequest(messagesRequestSchema.parse(REQUEST)), 'claude')).toEqual(REQUEST)
  })

  test("of OpenAI's own: system messages anywhere, many turns of one role, bounds that Anthropic does not have", () => {
    const sent = toMessagesRequest(
      {
        model: 'm',
        messages: [
          { role: 'user', content: 'One.' },
          { role: 'developer', content: 'Be brief.' },
          { role: 'user', content: 'Two.' },
          { role: 'assistant', content: '' },
          { role: 'tool', tool_call_id: 't', content: '' },
        ],
        temperature: 1.7,
        top_k: -1,
        stop: '\n',
        seed: 1,
        response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' } } },
        reasoning_effort: 'minimal',
      },
      'claude',
    )
    expect(sent).toEqual({
      model: 'claude',
      max_tokens: 4_096,
      stream: true,
      system: [text('Be brief.')],
      messages: [
        {
          role: 'user',
          content: [text('One.'), text('Two.'), { type: 'tool_result', tool_use_id: 't', content: [] }],
        },
      ],
      temperature: 1,
      output_config: { effort: 'low', format: { type: 'json_schema', schema: { type: 'object' } } },
    })
  })

  test.each([
    [{ role: 'user', content: [{ type: 'input_audio' }] }, 'messages.0.content.0.type'],
    [
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'ftp://x' } }] },
      'messages.0.content.0.image_url.url',
    ],
    [
      { role: 'assistant', content: null, tool_calls: [{ id: 'c', function: { name: 'f', arguments: '{"a"' } }] },
      'messages.0.tool_calls.0.function.arguments',
    ],
  ] as const)('with %j is refused by name', (message, param) => {
    const thrown = (() => {
      try {
        // Sound: the shape of a part is the caller's; these are as callers send them.
        return toMessagesRequest({ model: 'm', messages: [message as never] }, 'claude')
      } catch (error) {
        return error
      }
    })()
    expect(thrown).toBeInstanceOf(AppError)
    expect(thrown).toMatchObject({ code: 'upstream_rejected', param })
  })
})

const USAGE = { cache_creation_input_tokens: 3, cache_read_input_tokens: 6 }
const start = (index: number, content_block: object) => ({ type: 'content_block_start', index, content_block })
const delta = (index: number, said: object) => ({ type: 'content_block_delta', index, delta: said })
const stop = (index: number) => ({ type: 'content_block_stop', index })

const STREAM = [
  {
    type: 'message_start',
    message: {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'claude-x',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 4, output_tokens: 1, ...USAGE },
    },
  },
  start(0, { type: 'thinking', thinking: '', signature: '' }),
  { type: 'ping' },
  delta(0, { type: 'thinking_delta', thinking: 'Hm' }),
  delta(0, { type: 'thinking_delta', thinking: '.' }),
  delta(0, { type: 'signature_delta', signature: 'sig' }),
  stop(0),
  start(1, { type: 'redacted_thinking', data: 'xyz' }),
  stop(1),
  start(2, { type: 'text', text: '' }),
  delta(2, { type: 'text_delta', text: 'I read.' }),
  stop(2),
  start(3, { type: 'tool_use', id: 'toolu_1', name: 'read', input: {} }),
  delta(3, { type: 'input_json_delta', partial_json: '{"path":' }),
  delta(3, { type: 'input_json_delta', partial_json: '"a"}' }),
  stop(3),
  start(4, { type: 'tool_use', id: 'toolu_2', name: 'read', input: {} }),
  stop(4),
  {
    type: 'message_delta',
    delta: { stop_reason: 'tool_use', stop_sequence: null },
    usage: { output_tokens: 20, input_tokens: null },
  },
  { type: 'message_stop' },
]

function chunksOf(events: readonly object[]): ChatChunk[] {
  const read = chatChunks(() => 1_764_000_000)
  return events.flatMap((event) => {
    const said = read(JSON.stringify(event))
    return said.kind === 'chunks' ? said.chunks : []
  })
}

describe('a stream', () => {
  test("in Anthropic's shape is the same after having been one of OpenAI's", () => {
    const back = messageEvents([])
    const events: MessageEvent[] = [...chunksOf(STREAM).flatMap(back.of), ...back.end()]
    const total = { input_tokens: 4, output_tokens: 20, ...USAGE }
    const none = { input_tokens: 0, output_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 }
    const expected = STREAM.filter(({ type }) => type !== 'ping').map((event) => {
      if ('message' in event) return { ...event, message: { ...event.message, usage: none } }
      if ('usage' in event) return { ...event, usage: total }
      return event
    })
    expect(withoutCitations(events)).toEqual(expected)
  })

  test.each([
    ['end_turn', null, 'stop'],
    ['stop_sequence', 'END', 'stop'],
    ['max_tokens', null, 'length'],
    ['tool_use', null, 'tool_calls'],
    ['refusal', null, 'content_filter'],
    ['something_new', null, 'stop'],
  ])('that ends by %s has a finish reason', (stop_reason, stop_sequence, finish) => {
    const chunks = chunksOf([
      STREAM[0] ?? {},
      { type: 'message_delta', delta: { stop_reason, stop_sequence }, usage: {} },
    ])
    expect(chunks.at(-2)?.choices[0]).toMatchObject({
      finish_reason: finish,
      ...(stop_sequence ? { stop_reason: 'END' } : {}),
    })
    expect(chunks.at(-1)?.usage).toMatchObject({ prompt_tokens: 13, prompt_tokens_details: { cached_tokens: 6 } })
  })

  test('keeps errors, the end, and what is no event apart from what is said', () => {
    const read = chatChunks(() => 1)
    const overloaded = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }
    expect(read(JSON.stringify(overloaded))).toEqual({ kind: 'error', body: overloaded })
    expect(read('{"type":"message_stop"}')).toEqual({ kind: 'done' })
    expect(read('{"type":"some_new_event"}')).toEqual({ kind: 'chunks', chunks: [] })
    expect(read('{"type":')).toEqual({ kind: 'malformed' })
    // Before its head nothing can be said.
    expect(read(JSON.stringify(delta(0, { type: 'text_delta', text: 'x' })))).toEqual({ kind: 'malformed' })
  })
})

function withoutCitations(events: readonly MessageEvent[]): object[] {
  return events.map((event) => {
    if (event.type !== 'content_block_start' || event.content_block.type !== 'text') return event
    const { citations: _, ...block } = event.content_block
    return { ...event, content_block: block }
  })
}
