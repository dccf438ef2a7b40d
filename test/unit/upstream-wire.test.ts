/** What goes over the wire to which endpoint. How answers are read is tested in test/worker, on the platform's own streams. */
import type OpenAI from 'openai'
import { describe, expect, expectTypeOf, test } from 'vitest'
import type { ModelEventStream, Upstream, UpstreamCall } from '../../src/chat/ports.ts'
import type { HttpEndpoint } from '../../src/upstream/http-upstream.ts'
import { inferenceUpstream } from '../../src/upstream/inference-upstream.ts'
import { openaiUpstream } from '../../src/upstream/openai-upstream.ts'

const CONTINUE = { prompt_token_ids: [1, 2], output_token_ids: [3], sent_chars: 4 }
const ANSWER = ['{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}', '[DONE]']

function callOf(given: Partial<UpstreamCall> = {}, body: object = {}): UpstreamCall {
  const timeouts = { connect: 1_000, firstToken: 1_000, firstTokenWhileWaiting: 1_000, betweenTokens: 1_000 }
  return {
    request: { kind: 'chat', body: { model: 'alias', messages: [{ role: 'user', content: 'Hi' }], ...body } },
    ...{ model: 'm-1', seed: 7, drawnSeed: true, requestId: 'req_1', tenantId: 'tnt_a' },
    timeouts: { ...timeouts, total: 1_000 },
    ...given,
  }
}

type Sent = { url: string; headers: Headers; body: Record<string, unknown>; redirect: string | undefined }

async function sent(
  make: (endpoint: HttpEndpoint) => Upstream,
  call: UpstreamCall,
  endpoint: Partial<HttpEndpoint> = {},
): Promise<Sent> {
  let seen: Sent | undefined
  const upstream = make({
    baseUrl: 'https://models.test/base/',
    fetch: async (url, init) => {
      const { headers, body, redirect } = init as RequestInit
      seen = { url: String(url), headers: new Headers(headers), body: JSON.parse(String(body)), redirect }
      const text = ANSWER.map((data) => `data: ${data}\n\n`).join('')
      // Not a stream of bytes: workerd's are read in its own way, which Node has not.
      const stream = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode(text))
          controller.close()
        },
      })
      return new Response(stream, { headers: { 'content-type': 'text/event-stream' } })
    },
    ...endpoint,
  })
  await readAll(await upstream.open(call, new AbortController().signal))
  if (!seen) throw new Error('Nothing was sent.')
  return seen
}

async function readAll(events: ModelEventStream): Promise<void> {
  for await (const _ of events);
}

describe('an OpenAI-compatible endpoint', () => {
  test('is sent what OpenAI knows, and the caller’s own fields: it refuses others', async () => {
    const { body } = await sent(openaiUpstream, callOf({ continueFrom: CONTINUE }, { temperature: 1, custom: true }))
    expect(body).toEqual({
      ...{ model: 'm-1', messages: [{ role: 'user', content: 'Hi' }], temperature: 1, custom: true },
      ...{ stream: true, stream_options: { include_usage: true } },
    })
    type Params = OpenAI.ChatCompletionCreateParamsStreaming
    expectTypeOf<'model' | 'stream' | 'stream_options' | 'seed'>().toExtend<keyof Params>()
  })

  test('is sent a seed that the caller gave, and none that the edge drew', async () => {
    expect((await sent(openaiUpstream, callOf({ drawnSeed: false }, { seed: 7 }))).body).toMatchObject({ seed: 7 })
    expect((await sent(openaiUpstream, callOf())).body).not.toHaveProperty('seed')
  })

  test('is sent the deployment’s headers, which put none of ours out of place', async () => {
    const headers = { 'openai-organization': 'org-1', 'x-request-id': 'mine', accept: 'text/html' }
    const { headers: given, url, redirect } = await sent(openaiUpstream, callOf(), { headers, apiKey: 'sk-1' })
    expect(url).toBe('https://models.test/base/v1/chat/completions')
    expect(redirect).toBe('manual')
    expect(Object.fromEntries(given)).toEqual({
      ...{ 'openai-organization': 'org-1', 'x-request-id': 'req_1', accept: 'text/event-stream' },
      ...{ authorization: 'Bearer sk-1', 'content-type': 'application/json' },
    })
  })

  test('that declares token ids is our server behind another’s proxy', async () => {
    const ours = (endpoint: HttpEndpoint) => openaiUpstream({ ...endpoint, tokenIds: true })
    const { body } = await sent(ours, callOf({ continueFrom: CONTINUE }))
    expect(body).toMatchObject({ seed: 7, return_token_ids: true, perigee: { continue: CONTINUE } })
  })
})

describe('our inference server', () => {
  test('is asked for token ids, with the seed, and for few events where nobody sees them come', async () => {
    const { body } = await sent(inferenceUpstream, callOf())
    expect(body).toMatchObject({ seed: 7, return_token_ids: true, perigee: { drawn_seed: true, gather_ms: 250 } })
    const streamed = await sent(inferenceUpstream, callOf({ drawnSeed: false }, { stream: true }))
    expect(streamed.body).not.toHaveProperty('perigee')
  })

  test('goes on from the tokens that another one said', async () => {
    const { body } = await sent(
      inferenceUpstream,
      callOf({ continueFrom: CONTINUE, drawnSeed: false }, { stream: true }),
    )
    expect(body.perigee).toEqual({ continue: CONTINUE })
  })

  test('knows a LoRA adapter as a model', async () => {
    expect((await sent(inferenceUpstream, callOf({ model: 'sentiment' }))).body.model).toBe('sentiment')
  })

  test('is sent a text to go on with as such', async () => {
    const { url, body } = await sent(
      inferenceUpstream,
      callOf({ request: { kind: 'text', body: { model: 'a', prompt: 'x' } } }),
    )
    expect(url).toBe('https://models.test/base/v1/completions')
    expect(body.prompt).toBe('x')
  })
})
