/**
 * The wire contract against the official client. The types are compared by the compiler (`npm run types`): a field that drifts does
 * not compile. At run time the client's own assembly of a stream is held against ours.
 */
import type OpenAI from 'openai'
import { ChatCompletionStream } from 'openai/lib/ChatCompletionStream'
import { expect, expectTypeOf, test } from 'vitest'
import { assembleChat } from '../../src/chat/assemble.ts'
import type { ModelEventStream } from '../../src/chat/ports.ts'
import {
  type ChatChunk,
  type ChatRequest,
  type ChatResponse,
  chatRequestSchema,
  type TextRequest,
  type TextResponse,
  textRequestSchema,
} from '../../src/contract/chat-completion.ts'

type Chat = OpenAI.Chat.Completions.ChatCompletionCreateParams
type Text = OpenAI.Completions.CompletionCreateParams

test('what the client sends is what we accept, by type', () => {
  expectTypeOf<Chat>().toExtend<
    Pick<
      ChatRequest,
      'model' | 'stream' | 'temperature' | 'top_p' | 'seed' | 'max_tokens' | 'n' | 'max_completion_tokens'
    >
  >()
  expectTypeOf<Chat['stop']>().toExtend<ChatRequest['stop']>()
  type Usage<Options> = Pick<NonNullable<Options>, keyof NonNullable<Options> & 'include_usage'>
  expectTypeOf<Usage<Chat['stream_options']>>().toExtend<Usage<ChatRequest['stream_options']>>()
  expectTypeOf<Chat['messages'][number]['role']>().toExtend<ChatRequest['messages'][number]['role']>()
  expectTypeOf<Text>().toExtend<
    Pick<TextRequest, 'model' | 'stream' | 'temperature' | 'top_p' | 'seed' | 'max_tokens' | 'n'>
  >()
})

test('what we answer is what the client reads, by type', () => {
  expectTypeOf<Pick<ChatResponse, 'id' | 'object' | 'created' | 'model'>>().toExtend<
    Pick<OpenAI.ChatCompletion, 'id' | 'object' | 'created' | 'model'>
  >()
  expectTypeOf<NonNullable<ChatResponse['usage']>>().toExtend<OpenAI.CompletionUsage>()
  type Choice = Pick<ChatResponse['choices'][number], 'index' | 'finish_reason'>
  expectTypeOf<Choice>().toExtend<Pick<OpenAI.ChatCompletion.Choice, 'index' | 'finish_reason'>>()
  type Message = Pick<ChatResponse['choices'][number]['message'], 'role' | 'content' | 'refusal'>
  expectTypeOf<Message>().toExtend<Pick<OpenAI.ChatCompletionMessage, 'role' | 'content' | 'refusal'>>()
  type Delta = Pick<ChatChunk['choices'][number]['delta'], 'role' | 'content'>
  expectTypeOf<Delta>().toExtend<Pick<OpenAI.ChatCompletionChunk.Choice.Delta, 'role' | 'content'>>()
  expectTypeOf<ChatChunk['object']>().toExtend<OpenAI.ChatCompletionChunk['object']>()
  expectTypeOf<Pick<TextResponse, 'id' | 'object' | 'created' | 'model'>>().toExtend<
    Pick<OpenAI.Completion, 'id' | 'object' | 'created' | 'model'>
  >()
})

test('requests as agents send them are accepted unchanged', () => {
  const chat: Chat = {
    model: 'm',
    messages: [
      { role: 'developer', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'image_url', image_url: { url: 'data:,' } },
        ],
      },
      {
        role: 'assistant',
        tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'call_1', content: 'A cat.' },
    ],
    tools: [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }],
    tool_choice: 'auto',
    response_format: { type: 'json_object' },
    logit_bias: { '50256': -100 },
    stop: null,
    n: 1,
    user: 'u',
  }
  expect(chatRequestSchema().parse(chat)).toEqual(chat)
  for (const prompt of ['a', ['a'], [1, 2, 3]])
    expect(textRequestSchema().parse({ model: 'm', prompt }).prompt).toEqual(prompt)
})

test('the client assembles our events to the answer that we assemble', async () => {
  const chunk = (choices: object[], more: object = {}): ChatChunk => {
    const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk' as const, created: 1, model: 'm' }
    // Sound: each choice below has an index, a delta and a finish reason.
    return { ...head, choices: choices as ChatChunk['choices'], ...more }
  }
  const call = (fields: object) => [{ index: 0, delta: { tool_calls: [{ index: 0, ...fields }] }, finish_reason: null }]
  const events = [
    chunk([{ index: 0, delta: { role: 'assistant', content: 'Let me ' }, finish_reason: null }]),
    chunk([{ index: 0, delta: { content: 'see.' }, finish_reason: null }]),
    chunk(call({ id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"at":' } })),
    chunk(call({ function: { arguments: '"cat"}' } })),
    chunk([{ index: 0, delta: {}, finish_reason: 'tool_calls' }]),
    chunk([], { usage: { prompt_tokens: 5, completion_tokens: 9, total_tokens: 14 } }),
  ]
  const lines = events.map((event) => `${JSON.stringify(event)}\n`).join('')
  const body = new Response(lines).body
  if (!body) throw new Error('A response with text has a body.')
  const theirs = await ChatCompletionStream.fromReadableStream(body).finalChatCompletion()
  async function* stream(): ModelEventStream & AsyncGenerator<ChatChunk[]> {
    for (const event of events) yield [event]
  }
  const ours = await assembleChat(stream(), { tokenIds: false })
  const { message } = theirs.choices[0] ?? {}
  expect(ours.choices[0]?.message).toMatchObject({ content: message?.content, role: message?.role })
  expect(ours.choices[0]?.message.tool_calls).toMatchObject(
    (message?.tool_calls ?? []).map((toolCall) => ({ id: toolCall.id, type: toolCall.type })),
  )
  expect(ours.choices[0]?.message.tool_calls).toEqual([
    { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"at":"cat"}' } },
  ])
  expect(ours.usage).toEqual(theirs.usage)
  expect(ours.choices[0]?.finish_reason).toBe(theirs.choices[0]?.finish_reason)
})
