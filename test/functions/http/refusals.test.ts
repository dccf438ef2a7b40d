import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BODY_BYTES_MAX } from '../../../functions/inference/http/parse-body.ts'
import type { OpenAiErrorBody } from '../../../src/contract/chat-completion.ts'
import { MODEL, post, type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
beforeAll(async () => {
  server = await startRealServer()
})
afterAll(() => server.stop(0))

const QUESTION = { model: MODEL, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 1 }

async function refusal(path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await post(server.url + path, body, headers)
  const { error } = (await response.json()) as OpenAiErrorBody
  expect(error.message).not.toBe('')
  return { status: response.status, ...error }
}
const chat = (change: object) => refusal('/v1/chat/completions', { ...QUESTION, ...change })

describe('a field is refused by name', () => {
  test.each([
    [{ messages: [] }, 'messages'],
    [{ messages: 'hi' }, 'messages'],
    [{ messages: [{ role: 'wizard', content: 'x' }] }, 'messages[0].role'],
    [{ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] }, 'messages[0].content[0]'],
    [{ temperature: 2.1 }, 'temperature'],
    [{ temperature: 'warm' }, 'temperature'],
    [{ top_p: 0 }, 'top_p'],
    [{ top_k: 1.5 }, 'top_k'],
    [{ seed: 2 ** 60 }, 'seed'],
    [{ max_tokens: 0 }, 'max_tokens'],
    [{ stop: [''] }, 'stop[0]'],
    [{ stream: 'yes' }, 'stream'],
    [{ messages: [{ role: 'assistant', content: null, tool_calls: [{}] }] }, 'messages[0].tool_calls'],
    [{ messages: [{ role: 'function', content: '5', name: 'x' }] }, 'messages[0].role'],
    [{ tools: [{ type: 'function' }] }, 'tools[0].function'],
    [{ tools: [{ type: 'function', function: { name: 'a b' } }] }, 'tools[0].function.name'],
    [{ tool_choice: 'required' }, 'tool_choice'],
    [{ response_format: { type: 'yaml' } }, 'response_format.type'],
    [{ store: true }, 'store'],
    [{ temprature: 0 }, 'temprature'],
    [{ constructor: 1 }, 'constructor'],
    [
      { perigee: { continue: { prompt_token_ids: [], output_token_ids: [], sent_chars: 0 } } },
      'perigee.continue.prompt_token_ids',
    ],
    [
      { perigee: { continue: { prompt_token_ids: [1], output_token_ids: [99_999], sent_chars: 0 } } },
      'perigee.continue.output_token_ids[0]',
    ],
    [
      { perigee: { continue: { prompt_token_ids: [1], output_token_ids: [504], sent_chars: 9 } } },
      'perigee.continue.sent_chars',
    ],
    // Half of an emoji's bytes, of which nobody has been sent anything; and half of its two code units.
    [
      { perigee: { continue: { prompt_token_ids: [1], output_token_ids: [10_813], sent_chars: 1 } } },
      'perigee.continue.sent_chars',
    ],
    [
      { perigee: { continue: { prompt_token_ids: [1], output_token_ids: [10_813, 242, 218], sent_chars: 1 } } },
      'perigee.continue.sent_chars',
    ],
  ])('%j', async (change, param) => {
    expect(await chat(change)).toMatchObject({ status: 400, type: 'invalid_request_error', param })
    // A caller who streams is told in the same way: by a status.
    expect(await chat({ ...change, ...('stream' in change ? {} : { stream: true }) })).toMatchObject({
      status: 400,
      param,
    })
  })

  test('values that change nothing are accepted, and null means not given', async () => {
    const response = await post(`${server.url}/v1/chat/completions`, {
      ...QUESTION,
      ...{
        user: 'u',
        metadata: { a: 'b' },
        store: false,
        n: 1,
        presence_penalty: 0,
        frequency_penalty: 0,
        logit_bias: {},
      },
      ...{
        logprobs: false,
        tools: [],
        response_format: { type: 'text' },
        parallel_tool_calls: true,
        service_tier: 'auto',
      },
      ...{ temperature: null, top_p: null, stop: null, seed: null, tool_choice: null, stream_options: null },
    })
    expect(response.status).toBe(200)
  })
})

describe('a body is refused', () => {
  test.each([
    ['half JSON', '{"model":', 'invalid_json'],
    ['an array', '[]', 'invalid_request'],
    ['null', 'null', 'invalid_request'],
    ['nothing', '', 'invalid_json'],
  ])('that is %s', async (_, body, code) => {
    expect(await refusal('/v1/chat/completions', body)).toMatchObject({ status: 400, code })
  })

  test('that does not say it is JSON, so that a web page cannot post it unasked', async () => {
    const wrong = { 'content-type': 'text/plain' }
    expect(await refusal('/v1/chat/completions', QUESTION, wrong)).toMatchObject({
      status: 400,
      code: 'invalid_content_type',
    })
  })

  test('that is not UTF-8', async () => {
    const response = await fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: Uint8Array.of(0x22, 0xff, 0x22),
    })
    expect(response.status).toBe(400)
  })

  test('that is too large, whether it says so or not', async () => {
    const large = JSON.stringify({ ...QUESTION, user: 'x'.repeat(BODY_BYTES_MAX) })
    expect(await refusal('/v1/chat/completions', large)).toMatchObject({ status: 413, code: 'body_too_large' })
    const unsaid = await fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new Blob([large]).stream(),
      duplex: 'half',
    } as RequestInit)
    expect(unsaid.status).toBe(413)
  })
})

test('a prompt longer than the context is refused as OpenAI does, and max_tokens is cut to what is left', async () => {
  const content = 'word '.repeat(600)
  const long = await chat({ messages: [{ role: 'user', content }] })
  expect(long).toMatchObject({ status: 400, code: 'context_length_exceeded', param: 'messages' })
  // Far too long is refused before it is read token by token, which would keep everyone waiting.
  const started = performance.now()
  expect(await refusal('/tokenize', { prompt: ' '.repeat(3_000_000) })).toMatchObject({
    code: 'context_length_exceeded',
  })
  expect(performance.now() - started).toBeLessThan(1_000)
  const prompt = new Array<number>(509).fill(504)
  const filled = await post(`${server.url}/v1/completions`, { model: MODEL, prompt, max_tokens: 100, seed: 4 })
  expect(((await filled.json()) as { usage: { total_tokens: number } }).usage.total_tokens).toBeLessThanOrEqual(512)
  const full = new Array<number>(512).fill(504)
  expect(await refusal('/v1/completions', { model: MODEL, prompt: full })).toMatchObject({
    code: 'context_length_exceeded',
  })
})

test('another model, path or method is told apart', async () => {
  expect(await chat({ model: 'gpt-5' })).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' })
  expect(await refusal('/v1/images', {})).toMatchObject({ status: 404, code: 'not_found' })
  const response = await fetch(`${server.url}/v1/chat/completions`)
  expect(response.status).toBe(405)
  expect(response.headers.get('allow')).toBe('POST')
})

test('/generate, /tokenize and /detokenize name what is wrong', async () => {
  expect(await refusal('/generate', { text: 'The sun is', max_length: 0 })).toMatchObject({
    status: 400,
    param: 'max_length',
  })
  expect(await refusal('/generate', { text: '' })).toMatchObject({ status: 400, param: 'text' })
  expect(await refusal('/tokenize', {})).toMatchObject({ status: 400 })
  expect(await refusal('/tokenize', { prompt: 'a', messages: QUESTION.messages })).toMatchObject({ status: 400 })
  expect(await refusal('/detokenize', { tokens: [1, 49_152] })).toMatchObject({ status: 400, param: 'tokens[1]' })
  expect(await refusal('/detokenize', { tokens: ['a'] })).toMatchObject({ status: 400, param: 'tokens[0]' })
  expect(await refusal('/detokenize', {})).toMatchObject({ status: 400, param: 'tokens' })
})

test('/detokenize gives back the text that /tokenize took, special tokens included', async () => {
  const prompt = '<|im_start|>user\nÄ 🎈, naïve.<|im_end|>\n'
  const { tokens } = (await (await post(`${server.url}/tokenize`, { prompt })).json()) as { tokens: number[] }
  const answer = await post(`${server.url}/detokenize`, { tokens })
  expect(await answer.json()).toEqual({ prompt })
  expect(await (await post(`${server.url}/detokenize`, { tokens: [] })).json()).toEqual({ prompt: '' })
})

test('SageMaker s routes are not there outside its mode', async () => {
  expect((await fetch(`${server.url}/ping`)).status).toBe(404)
  expect(await refusal('/invocations', QUESTION)).toMatchObject({ status: 404 })
})
