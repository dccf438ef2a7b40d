/** What Anthropic's clients ask, as OpenAI's servers are asked. */
import type Anthropic from '@anthropic-ai/sdk'
import { describe, expect, test } from 'vitest'
import { messagesRequestSchema } from '../../../src/contract/messages.ts'
import { toChatRequest } from '../../../src/http/messages/to-chat-request.ts'

/** The client's types know no `temperature` any more; its older versions, and the wire, do. */
type Request = Omit<Anthropic.MessageCreateParamsNonStreaming, 'stream'> & {
  stream?: boolean
  temperature?: number
  top_p?: number
  top_k?: number
}

const ask = (given: Partial<Request>) => {
  const request = { model: 'm', max_tokens: 10, messages: [{ role: 'user', content: 'Hi' }], ...given }
  return toChatRequest(messagesRequestSchema.parse(request))
}

describe('a request', () => {
  test('keeps every field that OpenAI has a name for', () => {
    const chat = ask({
      system: 'Be brief.',
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      stop_sequences: ['END'],
      metadata: { user_id: 'ada' },
      stream: true,
    })
    expect(chat).toEqual({
      model: 'm',
      max_tokens: 10,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
      ],
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      stop: ['END'],
      user: 'ada',
      stream: true,
      stream_options: { include_usage: true },
    })
  })

  test('says nothing of what was not said', () => {
    expect(ask({ system: [], stop_sequences: [], tools: [] })).toEqual({
      model: 'm',
      max_tokens: 10,
      messages: [{ role: 'user', content: 'Hi' }],
    })
  })

  test.each([
    [{ type: 'auto' }, { tool_choice: 'auto' }],
    [
      { type: 'any', disable_parallel_tool_use: true },
      { tool_choice: 'required', parallel_tool_calls: false },
    ],
    [{ type: 'none' }, { tool_choice: 'none' }],
    [{ type: 'tool', name: 'read' }, { tool_choice: { type: 'function', function: { name: 'read' } } }],
  ] as const)('chooses tools by %j', (tool_choice, expected) => {
    expect(ask({ tool_choice })).toMatchObject(expected)
  })

  test("hands over tools with their schema, and refuses those that Anthropic's servers would run", () => {
    const input_schema = { type: 'object' as const, properties: { path: { type: 'string' } }, required: ['path'] }
    const { tools } = ask({ tools: [{ name: 'read', description: 'Reads a file.', input_schema }] })
    expect(tools).toEqual([
      { type: 'function', function: { name: 'read', description: 'Reads a file.', parameters: input_schema } },
    ])
    expect(() => ask({ tools: [{ type: 'web_search_20250305', name: 'web_search' }] })).toThrow(/custom/)
  })
})

describe('messages', () => {
  test('of a tool loop become calls and results in their order, with parallel calls', () => {
    const { messages } = ask({
      messages: [
        { role: 'user', content: 'What is in a and b?' },
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'I look.' },
            { type: 'tool_use', id: 'toolu_1', name: 'read', input: { path: 'a' } },
            { type: 'tool_use', id: 'toolu_2', name: 'read', input: { path: 'b' } },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'toolu_1', content: 'one' },
            { type: 'tool_result', tool_use_id: 'toolu_2', content: [{ type: 'text', text: 'gone' }], is_error: true },
            { type: 'text', text: 'Go on.' },
          ],
        },
      ],
    })
    expect(messages).toEqual([
      { role: 'user', content: 'What is in a and b?' },
      {
        role: 'assistant',
        content: 'I look.',
        tool_calls: [
          { id: 'toolu_1', type: 'function', function: { name: 'read', arguments: '{"path":"a"}' } },
          { id: 'toolu_2', type: 'function', function: { name: 'read', arguments: '{"path":"b"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'toolu_1', content: 'one' },
      { role: 'tool', tool_call_id: 'toolu_2', content: 'gone', is_error: true },
      { role: 'user', content: 'Go on.' },
    ])
  })

  test('with images show them, also those that a tool returned', () => {
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } } as const
    const { messages } = ask({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Look:' },
            image,
            { type: 'image', source: { type: 'url', url: 'https://x.example/i.png' } },
          ],
        },
        { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'shoot', input: {} }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: [image] }] },
      ],
    })
    const shown = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }
    expect(messages[0]?.content).toEqual([
      { type: 'text', text: 'Look:' },
      shown,
      { type: 'image_url', image_url: { url: 'https://x.example/i.png' } },
    ])
    expect(messages.slice(2)).toEqual([
      { role: 'tool', tool_call_id: 't', content: '' },
      { role: 'user', content: [shown] },
    ])
  })

  test('keep thinking and cache marks for models that know them', () => {
    const thinking = { type: 'thinking', thinking: 'Hm.', signature: 'sig' } as const
    const { messages } = ask({
      system: [{ type: 'text', text: 'Long.', cache_control: { type: 'ephemeral' } }],
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: [thinking, { type: 'text', text: 'Hello.' }] },
        { role: 'user', content: 'And?' },
      ],
    })
    expect(messages[0]?.content).toEqual([{ type: 'text', text: 'Long.', cache_control: { type: 'ephemeral' } }])
    expect(messages[2]).toEqual({ role: 'assistant', content: 'Hello.', thinking_blocks: [thinking] })
  })
})
