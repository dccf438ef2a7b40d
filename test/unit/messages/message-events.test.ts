/** What models stream, as the named events that Anthropic's clients read. */
import { describe, expect, test } from 'vitest'
import type { ChatChunk, ChatChunkChoice } from '../../../src/contract/chat-completion.ts'
import type { MessageEvent } from '../../../src/contract/messages.ts'
import { messageEvents } from '../../../src/http/messages/message-events.ts'

function chunk(choice: Partial<ChatChunkChoice>, more: Partial<ChatChunk> = {}): ChatChunk {
  const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm-1' } as const
  return { ...head, choices: [{ index: 0, delta: {}, finish_reason: null, ...choice }], ...more }
}
const USAGE = {
  ...chunk({}),
  choices: [],
  usage: {
    prompt_tokens: 10,
    completion_tokens: 4,
    total_tokens: 14,
    prompt_tokens_details: { cached_tokens: 6 },
  },
}
const call = (index: number, id: string | undefined, given: { name?: string; arguments?: string }) =>
  chunk({ delta: { tool_calls: [{ index, ...(id ? { id, type: 'function' } : {}), function: given }] } })

function eventsOf(chunks: readonly ChatChunk[], stops: readonly string[] = []): MessageEvent[] {
  const converter = messageEvents(stops)
  return [...chunks.flatMap(converter.of), ...converter.end()]
}
/** Without what is the same in all: `start 0 text`, `0 text_delta "Hi"`, `stop 0`. */
const brief = (events: readonly MessageEvent[]) =>
  events.flatMap((event) => {
    if (event.type === 'content_block_start') return [`start ${event.index} ${event.content_block.type}`]
    if (event.type === 'content_block_stop') return [`stop ${event.index}`]
    if (event.type !== 'content_block_delta') return [event.type]
    const { type, ...said } = event.delta
    return [`${event.index} ${type} ${JSON.stringify(Object.values(said)[0])}`]
  })

describe('a stream', () => {
  test('of text begins, grows and ends as one block', () => {
    const events = eventsOf([
      chunk({ delta: { role: 'assistant', content: '' } }),
      chunk({ delta: { content: 'Hel' } }),
      chunk({ delta: { content: 'lo' } }),
      chunk({ finish_reason: 'stop' }),
      USAGE,
    ])
    expect(brief(events)).toEqual([
      'message_start',
      'start 0 text',
      '0 text_delta "Hel"',
      '0 text_delta "lo"',
      'stop 0',
      'message_delta',
      'message_stop',
    ])
    expect(events.at(-2)).toEqual({
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { input_tokens: 4, output_tokens: 4, cache_creation_input_tokens: 0, cache_read_input_tokens: 6 },
    })
  })

  test('of thinking, text and two calls gives a block each, one after the other', () => {
    const events = eventsOf([
      chunk({ delta: { role: 'assistant', reasoning_content: 'Hm.' } }),
      chunk({ delta: { content: 'I look.' } }),
      call(0, 'call_a', { name: 'read', arguments: '' }),
      call(0, undefined, { arguments: '{"path":' }),
      call(0, undefined, { arguments: '"a"}' }),
      call(1, 'call_b', { name: 'read', arguments: '{}' }),
      chunk({ finish_reason: 'tool_calls' }),
      USAGE,
    ])
    expect(brief(events)).toEqual([
      'message_start',
      'start 0 thinking',
      '0 thinking_delta "Hm."',
      'stop 0',
      'start 1 text',
      '1 text_delta "I look."',
      'stop 1',
      'start 2 tool_use',
      '2 input_json_delta "{\\"path\\":"',
      '2 input_json_delta "\\"a\\"}"',
      'stop 2',
      'start 3 tool_use',
      '3 input_json_delta "{}"',
      'stop 3',
      'message_delta',
      'message_stop',
    ])
    expect(events).toContainEqual({
      type: 'content_block_start',
      index: 2,
      content_block: { type: 'tool_use', id: 'call_a', name: 'read', input: {} },
    })
    expect(events.at(-2)).toMatchObject({ delta: { stop_reason: 'tool_use' } })
  })

  test("of an Anthropic model keeps its thoughts' signatures and what is redacted", () => {
    const thought = (block: object) => chunk({ delta: { thinking_blocks: [block] } })
    const events = eventsOf([
      thought({ type: 'thinking', thinking: 'One' }),
      thought({ type: 'thinking', thinking: ' two', signature: '' }),
      thought({ type: 'thinking', signature: 'sig-1' }),
      thought({ type: 'redacted_thinking', data: 'xyz' }),
      thought({ type: 'redacted_thinking', data: 'uvw' }),
      chunk({ delta: { content: 'Done.' }, finish_reason: 'stop' }),
    ])
    expect(brief(events).slice(1, -2)).toEqual([
      'start 0 thinking',
      '0 thinking_delta "One"',
      '0 thinking_delta " two"',
      '0 signature_delta "sig-1"',
      'stop 0',
      'start 1 redacted_thinking',
      'stop 1',
      'start 2 redacted_thinking',
      'stop 2',
      'start 3 text',
      '3 text_delta "Done."',
      'stop 3',
    ])
  })

  test.each([
    ['stop', undefined, 'end_turn', null],
    ['stop', 'END', 'stop_sequence', 'END'],
    ['stop', 'not ours', 'end_turn', null],
    ['length', undefined, 'max_tokens', null],
    ['length', 'insufficient_quota', 'max_tokens', null],
    ['content_filter', undefined, 'refusal', null],
  ] as const)('that ends by %s (%s) says %s', (finish_reason, stop_reason, expected, sequence) => {
    const events = eventsOf([chunk({ delta: { content: 'x' }, finish_reason, ...{ stop_reason } })], ['END'])
    expect(events.at(-2)).toMatchObject({ delta: { stop_reason: expected, stop_sequence: sequence } })
  })

  test('without a finish reason has no end, and one that goes back to a call is an error', () => {
    expect(() => eventsOf([chunk({ delta: { content: 'x' } })])).toThrow(/middle of its answer/)
    const back = [call(0, 'a', { name: 'f' }), call(1, 'b', { name: 'f' }), call(0, undefined, { arguments: '{}' })]
    expect(() => eventsOf(back)).toThrow(/left for another/)
  })
})
