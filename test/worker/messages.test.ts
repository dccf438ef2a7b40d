/** `/v1/messages` through the whole edge, by the official `@anthropic-ai/sdk`, in front of a model that speaks OpenAI's protocol. Runs in workerd. */
import Anthropic from '@anthropic-ai/sdk'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { edge, KEY, MODEL } from './edge-client.ts'
import { chunk, DONE, fakeModel, HELLO, liveAnswer, usageChunk, wholeAnswer } from './fake-model.ts'

const { fetch, post } = edge()
const client = new Anthropic({
  baseURL: 'https://edge.test',
  apiKey: KEY,
  maxRetries: 0,
  fetch: (url, init) => fetch(new URL(String(url)).pathname, init as RequestInit),
})
const HI = { model: MODEL, max_tokens: 20, messages: [{ role: 'user' as const, content: 'Hi' }] }
const READ = {
  name: 'read',
  description: 'Reads a file.',
  input_schema: { type: 'object' as const, properties: { path: { type: 'string' } } },
}
const CALLS = [
  chunk({ delta: { role: 'assistant', content: 'I look.' } }),
  chunk({
    delta: { tool_calls: [{ index: 0, id: 'call_a', type: 'function', function: { name: 'read', arguments: '' } }] },
  }),
  chunk({ delta: { tool_calls: [{ index: 0, function: { arguments: '{"path":' } }] } }),
  chunk({ delta: { tool_calls: [{ index: 0, function: { arguments: '"a"}' } }] } }),
  chunk({
    delta: { tool_calls: [{ index: 1, id: 'call_b', type: 'function', function: { name: 'read', arguments: '{}' } }] },
  }),
  chunk({ finish_reason: 'tool_calls' }),
  usageChunk(),
  DONE,
]

afterEach(() => {
  vi.unstubAllGlobals()
})

describe('the official client', () => {
  test('gets a message, its key sent as x-api-key', async () => {
    const model = fakeModel(wholeAnswer(...HELLO))
    const message = await client.messages.create({ ...HI, system: 'Be kind.' })
    expect(message).toMatchObject({
      type: 'message',
      role: 'assistant',
      content: [{ type: 'text', text: 'Hello world' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 5, output_tokens: 2 },
    })
    expect(model.lastCall().body.messages).toEqual([
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: 'Hi' },
    ])
  })

  test('accumulates a stream to the same message', async () => {
    fakeModel(wholeAnswer(...CALLS))
    const whole = await client.messages.create({ ...HI, tools: [READ] })
    fakeModel(wholeAnswer(...CALLS))
    const stream = client.messages.stream({ ...HI, tools: [READ] })
    const texts: string[] = []
    stream.on('text', (text) => texts.push(text))
    const streamed = await stream.finalMessage()
    expect(texts).toEqual(['I look.'])
    expect(streamed.content).toEqual([
      { type: 'text', text: 'I look.', citations: null },
      { type: 'tool_use', id: 'call_a', name: 'read', input: { path: 'a' } },
      { type: 'tool_use', id: 'call_b', name: 'read', input: {} },
    ])
    expect(whole.content).toEqual(streamed.content)
    expect([whole.stop_reason, streamed.stop_reason]).toEqual(['tool_use', 'tool_use'])
    expect(streamed.usage.output_tokens).toBe(whole.usage.output_tokens)
  })

  test.each([
    [400, { ...HI, max_tokens: 0 }, 'invalid_request_error'],
    [404, { ...HI, model: 'nobody' }, 'not_found_error'],
  ])('gets %i as its own error, with the request id', async (status, body, type) => {
    fakeModel(wholeAnswer(...HELLO))
    const thrown = await client.messages.create(body).catch((error: unknown) => error)
    expect(thrown).toBeInstanceOf(Anthropic.APIError)
    expect(thrown).toMatchObject({ status, error: { type: 'error', error: { type } } })
    expect((thrown as { error: { request_id: string } }).error.request_id).toMatch(/^req_/)
  })

  test('is told of a stream that breaks off, and never of its end', async () => {
    fakeModel((call) => {
      const answer = liveAnswer(call)
      answer.event(chunk({ delta: { role: 'assistant', content: 'Hel' } }))
      answer.end()
      return answer.response
    })
    const events: string[] = []
    const reading = async () => {
      for await (const event of await client.messages.create({ ...HI, stream: true })) events.push(event.type)
    }
    await expect(reading()).rejects.toThrow(/middle of its answer/)
    expect(events).toEqual(['message_start', 'content_block_start', 'content_block_delta'])
  })

  test('counts a prompt by the tokenizer of the model', async () => {
    const model = fakeModel(() => Response.json({ count: 33, max_model_len: 8_192 }))
    const counted = await client.messages.countTokens({ model: MODEL, messages: HI.messages, system: 'Be kind.' })
    expect(counted).toEqual({ input_tokens: 33 })
    expect(model.lastCall().body.messages).toEqual([
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: 'Hi' },
    ])
  })
})

test('a wrong key in x-api-key is a 401 in its shape', async () => {
  const headers = { 'x-api-key': 'pg_wrong', 'content-type': 'application/json' }
  const response = await fetch('/v1/messages', { method: 'POST', headers, body: JSON.stringify(HI) })
  expect(response.status).toBe(401)
  expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'authentication_error' } })
})

test('a caller who leaves stops the model', async () => {
  const left = Promise.withResolvers<void>()
  fakeModel((call) => {
    call.signal.addEventListener('abort', () => left.resolve())
    const answer = liveAnswer(call)
    answer.event(chunk({ delta: { role: 'assistant', content: 'Hel' } }))
    return answer.response
  })
  const response = await post('/v1/messages', { ...HI, stream: true })
  const reader = response.body?.getReader()
  await reader?.read()
  await reader?.cancel()
  await left.promise
})
