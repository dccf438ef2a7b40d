/** What routing is told of a request. */
import { describe, expect, test } from 'vitest'
import type { CompleteCall, ModelRequest } from '../../src/chat/ports.ts'
import { requestFacts } from '../../src/chat/request-facts.ts'
import type { ChatRequest, Message, TextRequest } from '../../src/contract/chat-completion.ts'
import type { Capability } from '../../src/contract/routing-config.ts'

const user = (content: string): Message => ({ role: 'user', content })
const assistant = (content: string): Message => ({ role: 'assistant', content })
const chat = (body: Partial<ChatRequest>): ModelRequest => ({
  kind: 'chat',
  body: { model: 'm', messages: [user('Hi')], ...body },
})
const text = (body: Partial<TextRequest>): ModelRequest => ({
  kind: 'text',
  body: { model: 'm', prompt: 'Hi', ...body },
})

function factsFor(request: ModelRequest, given: Partial<CompleteCall> = {}, tenantId = 'tnt_a') {
  const call = {
    principal: { tenantId, keyId: 'key_1', scopes: [], userId: 'usr_1' },
    request: request as CompleteCall['request'],
    requestId: 'req_1',
    signal: new AbortController().signal,
    ...given,
  }
  return requestFacts(call, request)
}

test('facts tell who asks, where from, and in which conversation', () => {
  const place = { country: 'DE', latitude: 50, longitude: 8 }
  expect(factsFor(chat({}), { place, conversationId: 'c' })).toMatchObject({
    tenantId: 'tnt_a',
    userId: 'usr_1',
    conversationId: 'c',
    place,
  })
})

test.each<[string, ModelRequest, number]>([
  ['messages', chat({ messages: [user('12345'), assistant('678')] }), 8],
  [
    'parts, without what is no text',
    chat({ messages: [{ role: 'user', content: [{ type: 'text', text: '123' }, IMAGE()] }] }),
    3,
  ],
  [
    'calls of tools',
    chat({
      messages: [{ role: 'assistant', content: null, tool_calls: [{ function: { name: 'ab', arguments: '{}' } }] }],
    }),
    4,
  ],
  ['a text', text({ prompt: '1234' }), 4],
  ['a text in a list', text({ prompt: ['123'] }), 3],
  ['token ids, as long as text of so many', text({ prompt: [1, 2, 3] }), 12],
])('the length of a prompt is that of %s', (_, request, chars) => {
  expect(factsFor(request).promptChars).toBe(chars)
})

test('metadata are the pairs that are strings, at most sixteen, and nothing that is inherited', () => {
  expect(factsFor(chat({ metadata: { tier: 'gold', count: 3, none: null } })).metadata).toEqual({ tier: 'gold' })
  for (const metadata of [undefined, null, 'text', ['a']]) expect(factsFor(chat({ metadata })).metadata).toEqual({})
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`k${at}`, 'v']))
  expect(Object.keys(factsFor(chat({ metadata: many })).metadata)).toHaveLength(16)
})

function IMAGE(url = 'data:,') {
  return { type: 'image_url', image_url: { url } }
}

test.each<[string, ModelRequest, Capability[]]>([
  ['a plain chat', chat({ tools: [], n: 1, logprobs: false, response_format: { type: 'json_object' } }), []],
  ['tools', chat({ tools: [{ type: 'function' }] }), ['tools']],
  ['the older functions', chat({ functions: [{ name: 'f' }] }), ['tools']],
  ['a schema', chat({ response_format: { type: 'json_schema' } }), ['json_schema']],
  ['an image', chat({ messages: [user('a'), { role: 'user', content: [IMAGE()] }] }), ['vision']],
  ['sound', chat({ messages: [{ role: 'user', content: [{ type: 'input_audio' }] }] }), ['audio']],
  ['an answer as sound', chat({ modalities: ['text', 'audio'] }), ['audio']],
  ['log probabilities', chat({ logprobs: true }), ['logprobs']],
  ['log probabilities of a text', text({ logprobs: 0 }), ['logprobs']],
  ['several answers', chat({ n: 2 }), ['n']],
  ['the best of several', text({ best_of: 2 }), ['n']],
  ['nulls', chat({ tools: null, n: null, logprobs: null, response_format: null, modalities: null }), []],
])('what %s needs: %#', (_, request, needs) => {
  expect([...factsFor(request).needs].sort()).toEqual(needs.sort())
})

describe('beginnings', () => {
  const prefixesOf = (request: ModelRequest, tenantId?: string) => factsFor(request, {}, tenantId).prefixes
  const conversation = (messages: Message[]) => prefixesOf(chat({ messages }))
  const turns = (count: number, name = ''): Message[] =>
    Array.from({ length: count }, (_, turn) => [user(`question ${turn}${name}`), assistant(`answer ${turn}`)])
      .flat()
      .slice(0, -1)

  test('of a turn hold the whole prompt of the turn before, and of each of the last eight', () => {
    for (let count = 2; count <= 40; count++) {
      const now = conversation(turns(count))
      const wholes = Array.from({ length: Math.min(count, 8) }, (_, back) => conversation(turns(count - back))[0])
      expect(now.slice(0, wholes.length)).toEqual(wholes)
    }
  })

  test('of two conversations have in common what they begin with, and nothing after they part', () => {
    const one = conversation([...turns(3), assistant('a'), user('left')])
    const other = conversation([...turns(3), assistant('a'), user('right')])
    expect(one.slice(1)).toEqual(other.slice(1))
    expect(one[0]).not.toBe(other[0])
    expect(conversation(turns(5, 'x')).filter((prefix) => conversation(turns(5, 'y')).includes(prefix))).toEqual([])
  })

  test('hold a long system prompt, and no short one', () => {
    const asked = (system: string, question: string) =>
      conversation([{ role: 'system', content: system }, user(question)])
    const common = (system: string) => asked(system, 'a').filter((prefix) => asked(system, 'b').includes(prefix))
    expect(common('x'.repeat(255))).toEqual([])
    expect(common('x'.repeat(256))).toHaveLength(1)
    expect(asked(`${'x'.repeat(256)}y`, 'a')).not.toEqual(asked(`${'x'.repeat(256)}z`, 'a'))
  })

  test('are also cut within a long text, so that questions about one document share it', () => {
    const document = 'Lorem ipsum. '.repeat(2_000)
    const [one, other] = [`${document}Who?`, `${document}Why?`]
    for (const of of [(prompt: string) => text({ prompt }), (prompt: string) => chat({ messages: [user(prompt)] })]) {
      const common = prefixesOf(of(one)).filter((prefix) => prefixesOf(of(other)).includes(prefix))
      expect(common).toHaveLength(3)
      expect(prefixesOf(of(one))[0]).not.toBe(prefixesOf(of(other))[0])
    }
  })

  test.each<[string, ModelRequest, ModelRequest]>([
    ['role', chat({ messages: [user('a')] }), chat({ messages: [{ role: 'system', content: 'a' }] })],
    [
      'border between messages',
      chat({ messages: [user('ab'), user('c')] }),
      chat({ messages: [user('a'), user('bc')] }),
    ],
    ['model', chat({}), chat({ model: 'other' })],
    ['tool', chat({ tools: [{ function: { name: 'f' } }] }), chat({ tools: [{ function: { name: 'g' } }] })],
    [
      'image',
      chat({ messages: [{ role: 'user', content: [IMAGE('a')] }] }),
      chat({ messages: [{ role: 'user', content: [IMAGE('b')] }] }),
    ],
    ['token id', text({ prompt: [1, 23] }), text({ prompt: [12, 3] })],
  ])('of another %s are others', (_, one, other) => {
    expect(prefixesOf(one).filter((prefix) => prefixesOf(other).includes(prefix))).toEqual([])
  })

  test('of two tenants have nothing in common', () => {
    expect(prefixesOf(chat({}), 'tnt_a')).not.toEqual(prefixesOf(chat({}), 'tnt_b'))
  })

  test('are bounded in number and length whatever the prompt', () => {
    const long = chat({ messages: turns(2_000, 'x'.repeat(3_000)) })
    const prefixes = prefixesOf(long)
    expect(prefixes.length).toBeLessThan(32)
    expect(new Set(prefixes).size).toBe(prefixes.length)
    expect(Math.max(...prefixes.map((prefix) => prefix.length))).toBeLessThan(12)
  })

  test('differ for 50,000 different texts', () => {
    const names = new Set(Array.from({ length: 50_000 }, (_, at) => prefixesOf(text({ prompt: `text ${at}` }))[0]))
    expect(names.size).toBe(50_000)
  })
})

test('facts are reckoned when somebody looks, and once', () => {
  let looks = 0
  const request = chat({})
  Object.defineProperty(request.body, 'messages', {
    get() {
      looks++
      return [user('Hi')]
    },
  })
  const facts = factsFor(request)
  expect(looks).toBe(0)
  expect(facts.prefixes).toBe(facts.prefixes)
  expect([facts.promptChars, facts.promptChars, looks]).toEqual([2, 2, 2])
})
