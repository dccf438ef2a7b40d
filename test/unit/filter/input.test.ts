/** What callers send: every text that a model would read of them, and nothing else. */
import { describe, expect, test } from 'vitest'
import type { ModelRequest } from '../../../src/chat/ports.ts'
import type { ChatRequest, TextRequest } from '../../../src/contract/chat-completion.ts'
import type { AppError } from '../../../src/errors.ts'
import { filterInput } from '../../../src/filter/filter-input.ts'
import { compiled } from './rules.ts'

const RULES = compiled(
  { name: 'swear', words: ['ass', '傻逼'] },
  { name: 'personal', detect: ['email'], action: 'redact' },
  { name: 'bomb', words: ['bomb'], action: 'block' },
)

const chat = (...messages: ChatRequest['messages']): ModelRequest => ({ kind: 'chat', body: { model: 'm', messages } })
const text = (body: Partial<TextRequest>): ModelRequest => ({
  kind: 'text',
  body: { model: 'm', prompt: 'x', ...body },
})
function messagesAfter(request: ModelRequest) {
  return (filterInput(RULES, request).request.body as ChatRequest).messages
}
function refusal(request: ModelRequest): unknown {
  try {
    return filterInput(RULES, request)
  } catch (thrown) {
    return thrown
  }
}

test('a request in which nothing is found is the very same', () => {
  const request = chat(
    { role: 'system', content: 'class' },
    { role: 'user', content: [{ type: 'text', text: 'assess' }] },
  )
  expect(filterInput(RULES, request)).toEqual({ request, flags: [] })
  expect(filterInput(RULES, request).request).toBe(request)
})

describe('is filtered', () => {
  test('every message, whoever speaks, and what models said', () => {
    expect(
      messagesAfter(
        chat(
          { role: 'system', content: 'ass' },
          { role: 'user', content: '傻逼 a@b.com', name: 'bob' },
          { role: 'assistant', content: null, reasoning_content: 'ass', refusal: 'ass' },
          { role: 'tool', content: 'ass', tool_call_id: 'call_ass' },
        ),
      ),
    ).toEqual([
      { role: 'system', content: '***' },
      { role: 'user', content: '** [EMAIL]', name: 'bob' },
      { role: 'assistant', content: null, reasoning_content: '***', refusal: '***' },
      { role: 'tool', content: '***', tool_call_id: 'call_ass' },
    ])
  })

  test('every part with a text, and parts within parts; images and unknown parts stay', () => {
    const image = { type: 'image_url', image_url: { url: 'https://x.test/ass' } }
    expect(
      messagesAfter(
        chat({
          role: 'user',
          content: [
            { type: 'text', text: 'ass' },
            image,
            { type: 'tool_result', content: [{ type: 'text', text: 'an ass' }] },
          ],
        }),
      )[0]?.content,
    ).toEqual([
      { type: 'text', text: '***' },
      image,
      { type: 'tool_result', content: [{ type: 'text', text: 'an ***' }] },
    ])
  })

  test('a word that is cut between the parts of a message', () => {
    const parts = (...texts: string[]) =>
      chat({ role: 'user', content: texts.map((each) => ({ type: 'text', text: each })) })
    const request = parts('an a', 's', 's, a@b', '.com and class', 'ass')
    expect(messagesAfter(request)[0]?.content).toEqual(
      ['an *', '*', '*, [EMAIL]', ' and class', '***'].map((each) => ({ type: 'text', text: each })),
    )
    expect(filterInput(RULES, request).flags).toEqual([
      { rule: 'swear', action: 'mask', on: 'input', count: 2 },
      { rule: 'personal', action: 'redact', on: 'input', count: 1 },
    ])
  })

  test('the arguments of tool calls, which stay JSON', () => {
    const call = (args: string) => ({ id: 'c', type: 'function', function: { name: 'f', arguments: args } })
    expect(messagesAfter(chat({ role: 'assistant', content: null, tool_calls: [call('{"a":"\\u0061ss"}')] }))).toEqual([
      { role: 'assistant', content: null, tool_calls: [call('{"a":"***"}')] },
    ])
    expect(messagesAfter(chat({ role: 'assistant', function_call: { name: 'f', arguments: '["ass"]' } }))).toEqual([
      { role: 'assistant', function_call: { name: 'f', arguments: '["***"]' } },
    ])
  })

  test('text prompts and their suffix', () => {
    expect(filterInput(RULES, text({ prompt: 'ass', suffix: 'ass' })).request.body).toMatchObject({
      prompt: '***',
      suffix: '***',
    })
    expect(filterInput(RULES, text({ prompt: ['ass'] })).request.body).toMatchObject({ prompt: ['***'] })
  })
})

describe('is refused', () => {
  test.each([
    ['a message', chat({ role: 'user', content: 'a bomb' }), 'messages'],
    [
      'a word between parts',
      chat({
        role: 'user',
        content: [
          { type: 'text', text: 'bo' },
          { type: 'text', text: 'mb' },
        ],
      }),
      'messages',
    ],
    ['arguments', chat({ role: 'assistant', tool_calls: [{ function: { arguments: '{"a":"bomb"}' } }] }), 'messages'],
    ['a prompt', text({ prompt: 'a bomb' }), 'prompt'],
  ])('%s that a rule blocks: by the name of the rule, without the word', (_, request, param) => {
    const error = refusal(request)
    expect(error).toMatchObject({ code: 'content_blocked', param, details: { rule: 'bomb' } })
    expect((error as AppError).message).toBe('The rule bomb of the content filter forbids this request.')
  })

  test('a prompt of token ids, which nobody here can read', () => {
    expect(refusal(text({ prompt: [1, 2, 3] }))).toMatchObject({ code: 'invalid_request', param: 'prompt' })
  })
})
