/** Completions through the whole edge, in front of a model that answers well, badly, late, or not at all. Runs in workerd. */
import { env } from 'cloudflare:workers'
import { createParser } from 'eventsource-parser'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { readConfig } from '../../src/config.ts'
import type { ChatChunk, ChatResponse } from '../../src/contract/chat-completion.ts'
import { ERRORS, type ErrorCode } from '../../src/errors.ts'
import { chatChunkSchema, chatResponseSchema, textResponseSchema } from '../../src/http/openapi/schemas.ts'
import {
  type ByteReader,
  byteReader,
  GATHER_STREAM,
  GATHER_WHOLE,
  type Gathering,
} from '../../src/upstream/byte-reader.ts'
import { codeOf, edge, KEY, MODEL } from './edge-client.ts'
import {
  chunk,
  DONE,
  fakeModel,
  HELLO,
  type LiveAnswer,
  liveAnswer,
  type ModelCall,
  sse,
  USAGE,
  usageChunk,
  wholeAnswer,
} from './fake-model.ts'

const HI = { model: MODEL, messages: [{ role: 'user', content: 'Hi' }] }
const CHAT = '/v1/chat/completions'
/** Time-outs short enough to wait for: only for tests that wait for one, so that a slow machine fails no other. */
const IMPATIENT = {
  PERIGEE_CONNECT_TIMEOUT_MS: '100',
  PERIGEE_FIRST_TOKEN_TIMEOUT_MS: '150',
  PERIGEE_WAITING_TIMEOUT_MS: '400',
  PERIGEE_BETWEEN_TOKENS_TIMEOUT_MS: '150',
}
const { post } = edge()

afterEach(() => {
  vi.unstubAllGlobals()
})

type Event = ChatChunk | { error: { code: string; message: string } }

/** The events of a stream, and whether it says that it is complete. */
async function readStream(response: Response): Promise<{ events: Event[]; done: boolean; text: string }> {
  const data: string[] = []
  createParser({ onEvent: (event) => data.push(event.data) }).feed(await response.text())
  const done = data.at(-1) === '[DONE]'
  const events: Event[] = (done ? data.slice(0, -1) : data).map((text) => JSON.parse(text))
  const text = events.map((event) => ('choices' in event ? (event.choices[0]?.delta.content ?? '') : '')).join('')
  return { events, done, text }
}

/** A model whose answer the test writes while it goes. */
/** `later` writes the answers of all calls but the first. */
function liveModel(later: (live: LiveAnswer) => void = () => undefined): {
  next(): Promise<LiveAnswer & { call: ModelCall }>
} {
  const { promise, resolve } = Promise.withResolvers<LiveAnswer & { call: ModelCall }>()
  let isAsked = false
  fakeModel((call) => {
    const answer = liveAnswer(call)
    if (isAsked) later(answer)
    isAsked = true
    resolve({ ...answer, call })
    return answer.response
  })
  return { next: () => promise }
}

describe('an answer', () => {
  test('comes as one document', async () => {
    fakeModel(wholeAnswer(...HELLO))
    const response = await post(CHAT, HI)
    expect(response.status).toBe(200)
    const answer: ChatResponse = await response.json()
    expect(answer).toEqual({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1_764_000_000,
      model: MODEL,
      system_fingerprint: 'fp_1',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hello world', refusal: null },
          finish_reason: 'stop',
          logprobs: null,
        },
      ],
      usage: USAGE,
    })
    expect(chatResponseSchema.safeParse(answer).success).toBe(true)
  })

  test('comes as a stream that ends with [DONE], without what was not asked for', async () => {
    fakeModel(wholeAnswer(...HELLO))
    const response = await post(CHAT, { ...HI, stream: true })
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(response.headers.get('cache-control')).toContain('no-store')
    const { events, done, text } = await readStream(response)
    expect({ done, text }).toEqual({ done: true, text: 'Hello world' })
    expect(events).toHaveLength(4)
    for (const event of events) expect(chatChunkSchema.safeParse(event).success).toBe(true)
    expect(JSON.stringify(events)).not.toMatch(/usage|token_ids/)
  })

  test('has usage and token ids in its stream when asked', async () => {
    fakeModel(wholeAnswer(...HELLO))
    const asked = { ...HI, stream: true, stream_options: { include_usage: true }, return_token_ids: true }
    const { events } = await readStream(await post(CHAT, asked))
    expect(events).toEqual(HELLO.filter((event) => typeof event !== 'string'))
  })

  test('is the same however the network cuts it', async () => {
    const bytes = new TextEncoder().encode(
      [
        '\uFEFF',
        sse(chunk({ delta: { content: 'héllo ' } })),
        sse(chunk({ delta: { content: '😀' }, finish_reason: 'stop' })),
        DONE,
      ]
        .join('')
        .replaceAll('\n', '\r\n'),
    )
    fakeModel(() => {
      const body = new ReadableStream({
        start(controller) {
          for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
          controller.close()
        },
      })
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
    })
    const { text, done } = await readStream(await post(CHAT, { ...HI, stream: true }))
    expect({ text, done }).toEqual({ text: 'héllo 😀', done: true })
  })

  test('to a prompt comes from the route for prompts', async () => {
    const event = (text: string, finish_reason: string | null) => ({
      ...{ id: 'cmpl-1', object: 'text_completion', created: 1, model: MODEL },
      choices: [{ index: 0, text, finish_reason, logprobs: null, token_ids: [1] }],
    })
    const model = fakeModel(
      wholeAnswer(
        event(' four', null),
        event(', five', 'length'),
        { ...event('', null), choices: [], usage: USAGE },
        DONE,
      ),
    )
    const response = await post('/v1/completions', { model: MODEL, prompt: 'three,' })
    const answer = await response.json()
    expect(textResponseSchema.safeParse(answer).success).toBe(true)
    expect(answer).toMatchObject({ choices: [{ text: ' four, five', finish_reason: 'length' }], usage: USAGE })
    expect(model.lastCall().url).toBe('http://127.0.0.1:8080/v1/completions')
  })

  test('of several choices is whole when all of them are', async () => {
    const both = [
      chunk({ index: 1, delta: { content: 'b' }, finish_reason: 'stop' }),
      chunk({ delta: { content: 'a' }, finish_reason: 'stop' }),
    ]
    fakeModel(wholeAnswer(...both, DONE))
    const answer = await (await post(CHAT, { ...HI, n: 2 })).json<ChatResponse>()
    expect(answer.choices.map((choice) => choice.message.content)).toEqual(['a', 'b'])
    fakeModel(wholeAnswer(...both.slice(0, 1), DONE))
    expect((await post(CHAT, { ...HI, n: 2 })).status).toBe(502)
  })
})

describe('the model is asked', () => {
  test('for a stream with usage and token ids, with a drawn seed, whatever the caller asked', async () => {
    const model = fakeModel(wholeAnswer(...HELLO))
    await post(CHAT, HI, { headers: { 'x-request-id': 'my-request-1' } })
    const { url, headers, body } = model.lastCall()
    expect(url).toBe('http://127.0.0.1:8080/v1/chat/completions')
    expect(headers.get('x-request-id')).toBe('my-request-1')
    expect(body).toEqual({
      ...HI,
      seed: expect.any(Number),
      stream: true,
      stream_options: { include_usage: true },
      return_token_ids: true,
      perigee: { drawn_seed: true, gather_ms: 250 },
    })
    expect(Number.isSafeInteger(body.seed)).toBe(true)
  })

  test('with the seed that the caller gave, and no word of a drawn one', async () => {
    const model = fakeModel(wholeAnswer(...HELLO))
    await post(CHAT, { ...HI, seed: 7 })
    expect(model.lastCall().body).toMatchObject({ seed: 7, perigee: { gather_ms: 250 } })
    await post(CHAT, { ...HI, seed: 8, stream: true })
    expect(model.lastCall().body).not.toHaveProperty('perigee')
  })

  test('with fields that the edge does not know, but never with a caller’s perigee field', async () => {
    const model = fakeModel(wholeAnswer(...HELLO))
    const tools = [{ type: 'function', function: { name: 'add', parameters: {} } }]
    await post(CHAT, {
      ...HI,
      seed: 1,
      tools,
      future_field: { a: [1] },
      perigee: { continue: { prompt_token_ids: [1] } },
    })
    expect(model.lastCall().body).toMatchObject({ tools, future_field: { a: [1] } })
    expect(model.lastCall().body.perigee).toEqual({ gather_ms: 250 })
  })

  test('with our key for it, never with the caller’s', async () => {
    const model = fakeModel(wholeAnswer(...HELLO))
    await post(CHAT, HI)
    expect(model.lastCall().headers.get('authorization')).toBeNull()
    await edge({ PERIGEE_INFERENCE_KEY: 'inference-key-0123' }).post(CHAT, HI)
    expect(model.lastCall().headers.get('authorization')).toBe('Bearer inference-key-0123')
    expect(JSON.stringify([...model.lastCall().headers])).not.toContain(KEY)
    // Whoever redirects us would get our key.
    expect(model.lastCall().redirect).toBe('manual')
  })

  test('with no more seeds alike than chance allows', async () => {
    const model = fakeModel(wholeAnswer(...HELLO))
    for (let i = 0; i < 20; i++) await post(CHAT, HI)
    expect(new Set(model.calls.map((call) => call.body.seed)).size).toBe(20)
  })
})

/** Every way to fail before the first event: a status, streaming or not, and nothing of what is behind us. */
describe('before its first event a failure is a status:', () => {
  const refuse =
    (status: number, headers: HeadersInit = {}) =>
    () =>
      new Response('{"error":{"message":"Traceback: /opt/engine/run.py on gpu-7.internal"}}', { status, headers })
  const silent = (call: ModelCall) =>
    new Promise<Response>((_, reject) => call.signal.addEventListener('abort', () => reject(call.signal.reason)))

  const FAILURES: [string, Parameters<typeof fakeModel>[0], ErrorCode][] = [
    [
      'connection refused',
      () => Promise.reject(new Error('connect ECONNREFUSED 127.0.0.1:8080')),
      'upstream_unavailable',
    ],
    ['no answer at all', silent, 'upstream_timeout'],
    ['headers, then nothing', (call) => liveAnswer(call).response, 'upstream_timeout'],
    ['401', refuse(401), 'upstream_misconfigured'],
    ['403', refuse(403), 'upstream_misconfigured'],
    ['404', refuse(404), 'upstream_misconfigured'],
    ['a redirect', refuse(302, { location: 'https://elsewhere.example/' }), 'upstream_misconfigured'],
    ['400', refuse(400), 'upstream_rejected'],
    ['429', refuse(429, { 'retry-after': '7' }), 'upstream_rate_limited'],
    ['500', refuse(500), 'upstream_unavailable'],
    ['503', refuse(503), 'upstream_overloaded'],
    ['a page', () => new Response('<html>', { headers: { 'content-type': 'text/html' } }), 'upstream_misconfigured'],
    ['a document', () => Response.json({ choices: [] }), 'upstream_misconfigured'],
    ['an empty stream', wholeAnswer(), 'upstream_interrupted'],
    ['comments, then the end', wholeAnswer(': waiting\n\n', ': waiting\n\n'), 'upstream_interrupted'],
    ['[DONE] alone', wholeAnswer(DONE), 'upstream_interrupted'],
    ['no JSON', wholeAnswer('data: {"choices":\n\n'), 'upstream_interrupted'],
    ['an event of no known shape', wholeAnswer({ hello: 'world' }), 'upstream_interrupted'],
    [
      'an error event',
      wholeAnswer({ error: { message: 'engine died at /opt/x/y', code: 'engine_crashed' } }),
      'upstream_unavailable',
    ],
    ['a busy event', wholeAnswer({ error: { message: 'x', code: 'queue_full' } }), 'upstream_overloaded'],
    [
      'a length event',
      wholeAnswer({ error: { message: 'too long', code: 'context_length_exceeded' } }),
      'context_length_exceeded',
    ],
  ]

  /** After these the same deployment is asked again, as long as the caller's patience lasts. */
  const ASKED_AGAIN: readonly ErrorCode[] = [
    ...(['upstream_unavailable', 'upstream_interrupted'] as const),
    ...(['upstream_overloaded', 'upstream_rate_limited'] as const),
  ]

  test.each(FAILURES)('%s', async (_, answer, code) => {
    for (const stream of [false, true]) {
      const model = fakeModel(answer)
      const settings = code === 'upstream_timeout' ? IMPATIENT : { PERIGEE_WAITING_TIMEOUT_MS: '100' }
      const response = await edge(settings).post(CHAT, { ...HI, stream })
      expect(response.status).toBe(ERRORS[code].status)
      expect(response.headers.get('content-type')).toBe('application/json')
      expect(response.headers.get('retry-after')).toBe(code === 'upstream_rate_limited' ? '7' : null)
      const { error } = await response.json<{ error: { code: string; request_id: string } }>()
      expect(error.code).toBe(code)
      // Random digits may be 8080.
      const text = JSON.stringify({ ...error, request_id: '' })
      expect(text).not.toMatch(/8080|\/opt|Traceback|internal\b|ECONN|elsewhere/)
      expect(model.calls.length).toBeGreaterThanOrEqual(1)
      expect(model.calls.length).toBeLessThanOrEqual(ASKED_AGAIN.includes(code) ? 4 : 1)
      // Nothing is left running: no connection that nobody reads.
      for (const { signal } of model.calls) expect(signal.aborted).toBe(true)
    }
  })

  test('while comments say that the model is alive, the edge waits longer than for silence', async () => {
    const model = liveModel()
    const settings = { PERIGEE_FIRST_TOKEN_TIMEOUT_MS: '600', PERIGEE_WAITING_TIMEOUT_MS: '60000' }
    const answering = edge(settings).post(CHAT, HI)
    const live = await model.next()
    const startedAt = Date.now()
    while (Date.now() - startedAt < 900) {
      live.write(': waiting\n\n')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    for (const event of HELLO) live.write(typeof event === 'string' ? event : sse(event))
    live.end()
    expect((await answering).status).toBe(200)
  })

  test('but not for ever', async () => {
    const model = liveModel()
    const answering = edge(IMPATIENT).post(CHAT, HI)
    const live = await model.next()
    const timer = setInterval(() => live.call.signal.aborted || live.write(': waiting\n\n'), 50)
    expect(await codeOf(await answering)).toBe('upstream_timeout')
    clearInterval(timer)
  })
})

/** Every way to fail after it: an event and the end for those who stream, a status for those who do not. */
describe('after its first event a failure is an event, and never [DONE]:', () => {
  const begin = chunk({ delta: { role: 'assistant', content: 'Hel' } })

  const FAILURES: [string, (live: LiveAnswer) => void, ErrorCode][] = [
    ['the connection breaks', (live) => live.breakOff(), 'upstream_interrupted'],
    ['the stream ends without a finish reason', (live) => live.end(), 'upstream_interrupted'],
    ['[DONE] without a finish reason', (live) => live.write(DONE), 'upstream_interrupted'],
    ['no JSON', (live) => live.write('data: {\n\n'), 'upstream_interrupted'],
    ['an error event', (live) => live.event({ error: { message: '/opt/x/y', code: 500 } }), 'upstream_interrupted'],
    [
      'a finish reason that is a failure',
      (live) => live.write(sse({ ...begin, choices: [{ ...begin.choices[0], finish_reason: 'abort' }] })),
      'upstream_interrupted',
    ],
    ['an endless event', (live) => live.write(`data: ${'x'.repeat(9_000_000)}`), 'upstream_interrupted'],
    ['silence', () => undefined, 'upstream_timeout'],
  ]

  test.each(FAILURES)('%s', async (_, fail, code) => {
    for (const stream of [true, false]) {
      // What broke before the edge had read anything is asked for again.
      const model = liveModel((again) => {
        again.event(begin)
        fail(again)
      })
      const answering = edge(code === 'upstream_timeout' ? IMPATIENT : {}).post(CHAT, { ...HI, stream })
      const live = await model.next()
      live.event(begin)
      if (stream) {
        const response = await answering
        expect(response.status).toBe(200)
        fail(live)
        const { events, done, text } = await readStream(response)
        expect({ done, text }).toEqual({ done: false, text: 'Hel' })
        expect(events.at(-1)).toMatchObject({
          error: { code, type: 'api_error', message: expect.not.stringMatching(/opt/) },
        })
      } else {
        fail(live)
        // Our server ends its response with its answer, and the edge relies on that when nobody watches the answer come.
        if (code === 'upstream_interrupted') live.end()
        expect(await codeOf(await answering)).toBe(code)
      }
      expect(live.call.signal.aborted).toBe(true)
    }
  })

  test('what came before the failure in the same read is delivered first', async () => {
    fakeModel(wholeAnswer(begin, chunk({ delta: { content: 'lo' } }), 'data: {\n\n'))
    const { events, text, done } = await readStream(await post(CHAT, { ...HI, stream: true }))
    expect({ text, done, events: events.length }).toEqual({ text: 'Hello', done: false, events: 3 })
  })
})

describe('an answer with its finish reason is whole', () => {
  const END = chunk({ delta: { content: 'Hi' }, finish_reason: 'stop' })

  test('without [DONE]', async () => {
    fakeModel(wholeAnswer(END, usageChunk()))
    expect(await (await post(CHAT, HI)).json()).toMatchObject({
      choices: [{ message: { content: 'Hi' } }],
      usage: USAGE,
    })
  })

  test('and when the connection breaks after it', async () => {
    const model = liveModel()
    const answering = post(CHAT, { ...HI, stream: true })
    const live = await model.next()
    live.event(END)
    const response = await answering
    live.breakOff()
    expect(await readStream(response)).toMatchObject({ done: true, text: 'Hi' })
  })

  test('and usage is waited for, but not for long', async () => {
    const model = liveModel()
    const answering = post(CHAT, { ...HI, stream: true })
    const live = await model.next()
    live.event(END)
    const startedAt = Date.now()
    expect(await readStream(await answering)).toMatchObject({ done: true, text: 'Hi' })
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(900)
    expect(Date.now() - startedAt).toBeLessThan(3_000)
    expect(live.call.signal.aborted).toBe(true)
  })
})

describe('bytes', () => {
  const WHOLE: Gathering = { windowMs: 100, bytesMax: 50, firstBytes: 1 }

  /** A body of chunks of ten bytes through the platform's pipe, and a clock that goes by `tookMs` with each read. */
  function reader(chunks: number, tookMs: number[]) {
    const { readable, writable } = new IdentityTransformStream()
    const writer = writable.getWriter()
    for (let i = 0; i < chunks; i++) void writer.write(new Uint8Array(10).fill(i))
    void writer.close()
    let nowMs = 0
    let begun = false
    const now = () => {
      // Called once at the start, then after each read.
      if (begun) nowMs += tookMs.shift() ?? 0
      begun = true
      return nowMs
    }
    return byteReader(readable, now)
  }
  async function lengths(bytes: ByteReader, gathering?: Gathering): Promise<number[]> {
    const all: number[] = []
    for (;;) {
      const read = await bytes.read(gathering)
      if (!read) return all
      all.push(read.byteLength)
    }
  }

  test('come as the network gives them', async () => {
    expect(await lengths(reader(4, []))).toEqual([10, 10, 10, 10])
  })

  test('are gathered in larger pieces the longer they come at once, and the last piece comes whatever its size', async () => {
    const policy: Gathering = { windowMs: 10, bytesMax: 50, firstBytes: 1 }
    expect(await lengths(reader(23, []), policy)).toEqual([10, 20, 40, 50, 50, 50, 10])
  })

  test('are gathered for about the window, at the slowest pace of late', async () => {
    const policy: Gathering = { windowMs: 100, bytesMax: 1_000, firstBytes: 1 }
    // 2.5 ms a byte: forty in the window. Then 5: twenty. Then at once, which halves the pace: forty.
    expect(await lengths(reader(15, [25, 200, 0, 0]), policy)).toEqual([10, 40, 20, 40, 40])
  })

  test('are waited for in some number before any pace is known, where the policy says so', async () => {
    const policy: Gathering = { windowMs: 100, bytesMax: 1_000, firstBytes: 30 }
    expect(await lengths(reader(9, [600, 0]), policy)).toEqual([30, 10, 10, 20, 20])
  })

  test('are taken as they come when the next will not come within the window', async () => {
    expect(await lengths(reader(5, Array(5).fill(1_000)), GATHER_STREAM)).toEqual([10, 10, 10, 10, 10])
  })

  test('are never gathered for so long that a model at a hundredth of its pace is taken for one that stalls', () => {
    const { PERIGEE_BETWEEN_TOKENS_TIMEOUT_MS } = readConfig(env)
    for (const { windowMs } of [GATHER_STREAM, GATHER_WHOLE]) {
      expect(100 * windowMs).toBeLessThanOrEqual(PERIGEE_BETWEEN_TOKENS_TIMEOUT_MS)
    }
  })

  test('of the first tokens, which often come together, hold back no other', async () => {
    const { readable, writable } = new IdentityTransformStream()
    const bytes = byteReader(readable, () => 0)
    const writer = writable.getWriter()
    for (let token = 0; token < 4; token++) {
      const read = bytes.read(GATHER_STREAM)
      void writer.write(new Uint8Array(250))
      expect((await read)?.byteLength).toBe(250)
    }
  })

  test('are waited for no longer once the first event is due', async () => {
    const bytes = reader(8, [])
    await bytes.read(WHOLE)
    expect(await lengths(bytes)).toEqual(Array(7).fill(10))
  })

  test('are the same bytes in the same order, though their memory is used again', async () => {
    const bytes = reader(13, [])
    const all: number[] = []
    for (let read = await bytes.read(WHOLE); read; read = await bytes.read(WHOLE)) all.push(...read)
    expect(all).toEqual(Array.from({ length: 130 }, (_, at) => Math.floor(at / 10)))
  })
})

describe('a caller who hangs up stops the model,', () => {
  /** An edge whose meter tells how completions ended. */
  function meteredEdge() {
    const ends: unknown[] = []
    const { promise: begun, resolve: firstToken } = Promise.withResolvers<void>()
    const meter = { begin: () => ({ waits() {}, firstToken, end: (end: unknown) => ends.push(end) }) }
    return { ends, begun, ...edge({}, ({ complete }) => ({ complete: { ...complete, meter } })) }
  }
  const begin = chunk({ delta: { content: 'Hel' }, token_ids: [7] }, { prompt_token_ids: [1, 2] })
  const usage = { prompt_tokens: 2, completion_tokens: 1, total_tokens: 3 }

  test('by cancelling the body', async () => {
    const { ends, post } = meteredEdge()
    const model = liveModel()
    const answering = post(CHAT, { ...HI, stream: true })
    const live = await model.next()
    live.event(begin)
    const reader = (await answering).body?.getReader()
    await reader?.read()
    await reader?.cancel()
    expect(live.call.signal.aborted).toBe(true)
    expect(ends).toEqual([{ status: 'error', code: 'caller_gone', usage }])
  })

  test.each([true, false])('by leaving the request in mid-answer (stream: %s)', async (stream) => {
    const { ends, begun, post } = meteredEdge()
    const model = liveModel()
    const caller = new AbortController()
    const answering = post(CHAT, { ...HI, stream }, { signal: caller.signal })
    const live = await model.next()
    live.event(begin)
    if (stream) {
      const reader = (await answering).body?.getReader()
      await reader?.read()
      caller.abort()
      await expect(reader?.read()).rejects.toThrow()
    } else {
      await begun
      caller.abort()
      expect(await codeOf(await answering)).toBe('caller_gone')
    }
    expect(live.call.signal.aborted).toBe(true)
    expect(ends).toMatchObject([{ status: 'error', code: 'caller_gone' }])
  })

  test('by leaving before the first event', async () => {
    const { ends, post, held } = meteredEdge()
    const model = liveModel()
    const caller = new AbortController()
    const answering = post(CHAT, { ...HI, stream: true }, { signal: caller.signal })
    const live = await model.next()
    // The platform drops the context of a caller who is gone, and then nothing here would run, unless it is asked to wait.
    expect(held()).toBe(1)
    caller.abort()
    expect((await answering).status).toBe(499)
    expect(live.call.signal.aborted).toBe(true)
    expect(ends).toEqual([{ status: 'error', code: 'caller_gone' }])
  })

  test('and one who reads to the end does not', async () => {
    const { ends, post } = meteredEdge()
    const model = fakeModel(wholeAnswer(...HELLO))
    await readStream(await post(CHAT, { ...HI, stream: true }))
    expect(model.lastCall().signal.aborted).toBe(false)
    expect(ends).toEqual([{ status: 'success', usage: USAGE }])
  })
})
