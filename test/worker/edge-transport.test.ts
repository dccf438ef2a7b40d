/** What every route has in common: keys, shapes of errors, bodies, request ids, CORS, the log; and the small routes. Runs in workerd. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { makeApiKey } from '../../src/auth/api-key.ts'
import type { Scope } from '../../src/contract/scopes.ts'
import { AppError } from '../../src/errors.ts'
import { healthSchema, modelListSchema, modelSchema, problemSchema } from '../../src/http/openapi/schemas.ts'
import { OPEN_ROUTES, routes } from '../../src/http/route-table.ts'
import { codeOf, edge, KEY, MODEL } from './edge-client.ts'
import { chunk, fakeModel, HELLO, liveAnswer, wholeAnswer } from './fake-model.ts'

const CHAT = '/v1/chat/completions'
const HI = { model: MODEL, messages: [{ role: 'user', content: 'Hi' }] }
const { fetch, get, post } = edge()

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

describe('a key', () => {
  test('is needed by every route but the open ones', async () => {
    let closed = 0
    for (const { method, path } of routes) {
      const hasBody = method === 'POST' || method === 'PATCH'
      const response = await fetch(path.replace(':id', MODEL), { method, ...(hasBody ? { body: '{}' } : {}) })
      if (OPEN_ROUTES.includes(path)) {
        // Nobody has told this installation a secret for heartbeats.
        const refused = path === '/endpoints/heartbeat' ? 503 : 415
        expect(response.status, path).toBe(method === 'GET' ? 200 : refused)
        continue
      }
      closed += 1
      expect(response.status, path).toBe(401)
      expect(response.headers.get('www-authenticate'), path).toMatch(/^Bearer/)
      expect(await codeOf(response), path).toBe('invalid_api_key')
    }
    expect(closed).toBeGreaterThan(15)
  })

  test.each([
    ['another', `Bearer ${makeApiKey()}`],
    ['one with another end', `Bearer ${KEY}x`],
    ['its hash', 'Bearer 0000'],
    ['no token', 'Bearer '],
    ['another scheme', `Basic ${KEY}`],
    ['no scheme', KEY],
    ['two', `Bearer ${KEY}, Bearer ${KEY}`],
    ['a very long one', `Bearer ${'x'.repeat(100_000)}`],
  ])('that is %s is refused, all with the same answer', async (_, authorization) => {
    const response = await fetch('/v1/models', { headers: { authorization } })
    expect(response.status).toBe(401)
    expect(await response.json()).toEqual({
      error: {
        message: expect.stringContaining('No valid API key'),
        type: 'authentication_error',
        param: null,
        code: 'invalid_api_key',
        request_id: response.headers.get('x-request-id'),
      },
    })
  })

  test('is accepted whatever the case of the scheme', async () => {
    expect((await fetch('/v1/models', { headers: { authorization: `bearer ${KEY}` } })).status).toBe(200)
  })

  test('without the scope of a route is refused there, before its body is read', async () => {
    const scopes: Scope[] = []
    const poor = edge({}, () => ({ keys: { find: async () => ({ tenantId: 't', keyId: 'k', scopes }) } }))
    expect((await poor.post(CHAT, 'not json')).status).toBe(403)
    expect(await codeOf(await poor.get('/metrics'))).toBe('permission_denied')
    scopes.push('chat')
    expect((await poor.get('/v1/models')).status).toBe(200)
    expect((await poor.get('/metrics')).status).toBe(403)
  })

  test('cannot be checked by a store that fails: closed, and not as a wrong key', async () => {
    const broken = edge({}, () => ({ keys: { find: () => Promise.reject(new Error('D1 is down at 10.0.0.1')) } }))
    const response = await broken.get('/v1/models')
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('10.0.0.1')
  })

  test('is never valid where none is set', async () => {
    expect((await edge({ PERIGEE_KEY_SHA256: undefined }).get('/v1/models')).status).toBe(401)
  })
})

describe('a path', () => {
  test('that does not exist is 404 in the shape of its neighbours', async () => {
    const openai = await get('/v1/nothing')
    expect(openai.status).toBe(404)
    expect(await openai.json()).toMatchObject({ error: { code: 'not_found', type: 'not_found_error' } })
    const problem = await get('/nothing')
    expect(problem.headers.get('content-type')).toBe('application/problem+json')
    expect(problemSchema.safeParse(await problem.json()).success).toBe(true)
  })

  test('with another method is 405, and says which it has', async () => {
    const chat = await get(CHAT)
    expect(chat.status).toBe(405)
    expect(chat.headers.get('allow')).toBe('POST')
    expect(await codeOf(chat)).toBe('method_not_allowed')
    const health = await fetch('/health', { method: 'DELETE' })
    expect([health.status, health.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    expect(health.headers.get('content-type')).toBe('application/problem+json')
    expect((await fetch(`/v1/models/${MODEL}`, { method: 'DELETE' })).status).toBe(405)
    expect((await fetch('/health', { method: 'HEAD' })).status).toBe(200)
  })

  test('of our own answers a refused field as problem details', async () => {
    const response = await post('/chat', { message: 'Hi', user_id: 'u', surprise: 1 })
    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(await response.json()).toMatchObject({
      code: 'invalid_request',
      detail: 'surprise is not known here.',
      param: 'surprise',
    })
  })
})

describe('a body', () => {
  const small = edge({ PERIGEE_BODY_BYTES_MAX: '1024' })
  const ofBytes = (bytes: number) =>
    JSON.stringify({ ...HI, user: 'x'.repeat(bytes - JSON.stringify({ ...HI, user: '' }).length) })
  /** Without a length, so that only counting can bound it. */
  function stream(text: string, chunkBytes = 100): { body: ReadableStream; read: () => number } {
    const bytes = new TextEncoder().encode(text)
    let at = 0
    const body = new ReadableStream({
      pull(controller) {
        if (at >= bytes.length) return controller.close()
        controller.enqueue(bytes.subarray(at, at + chunkBytes))
        at += chunkBytes
      },
    })
    return { body, read: () => at }
  }

  test('is refused by the field that is wrong', async () => {
    const response = await post(CHAT, { ...HI, messages: [{ role: 'robot', content: 'Hi' }] })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({
      error: {
        type: 'invalid_request_error',
        code: 'invalid_request',
        param: 'messages.0.role',
        message: expect.stringContaining('"user"'),
      },
    })
  })

  test.each([
    ['nothing', '', 'invalid_json'],
    ['half of something', '{"model":', 'invalid_json'],
    ['a secret that is no JSON', 'hunter2', 'invalid_json'],
    ['a list', '[]', 'invalid_request'],
    ['null', 'null', 'invalid_request'],
  ])('that is %s is 400, and not quoted', async (_, body, code) => {
    const response = await post(CHAT, body)
    expect(response.status).toBe(400)
    const text = await response.text()
    expect(JSON.parse(text).error.code).toBe(code)
    expect(text).not.toContain('hunter2')
  })

  test('is UTF-8 or refused, never mended, however it comes', async () => {
    const bytes = new TextEncoder().encode(JSON.stringify({ ...HI, user: 'é😀' }))
    const lastOfEmoji = bytes.length - 3
    const spoilt = bytes.with(lastOfEmoji, 0x22)
    const cut = bytes.subarray(0, lastOfEmoji)
    fakeModel(wholeAnswer(...HELLO))
    const sends = [
      (body: Uint8Array) => post(CHAT, '', { body, headers: { 'content-length': String(body.length) } }),
      (body: Uint8Array) => post(CHAT, '', { body: new Response(body).body?.pipeThrough(oneByOne()) ?? null }),
    ]
    for (const send of sends) {
      expect((await send(bytes)).status).toBe(200)
      for (const body of [spoilt, cut]) {
        expect(await (await send(body)).json()).toMatchObject({
          error: { code: 'invalid_json', message: 'The body is not valid UTF-8.' },
        })
      }
    }

    function oneByOne() {
      return new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          for (const byte of chunk) controller.enqueue(Uint8Array.of(byte))
        },
      })
    }
  })

  test('may come without a type, but not with that of something else', async () => {
    fakeModel(wholeAnswer(...HELLO))
    const typed = (type: string) => post(CHAT, HI, { headers: { 'content-type': type } })
    expect((await typed('application/json; charset=utf-8')).status).toBe(200)
    const bytes = new TextEncoder().encode(JSON.stringify(HI))
    expect(
      (await fetch(CHAT, { method: 'POST', body: bytes, headers: { authorization: `Bearer ${KEY}` } })).status,
    ).toBe(200)
    const form = await typed('multipart/form-data; boundary=x')
    expect([form.status, await codeOf(form)]).toEqual([415, 'unsupported_media_type'])
    expect((await typed('text/plain')).status).toBe(415)
  })

  test('is in UTF-8 and not compressed, or refused for what it says it is', async () => {
    fakeModel(wholeAnswer(...HELLO))
    const sent = (headers: Record<string, string>) => post(CHAT, HI, { headers })
    const utf16 = await sent({ 'content-type': 'application/json; charset=utf-16' })
    expect([utf16.status, await codeOf(utf16)]).toEqual([415, 'unsupported_media_type'])
    const gzip = await sent({ 'content-encoding': 'gzip' })
    expect(gzip.status).toBe(415)
    expect(await gzip.json()).toMatchObject({
      error: { code: 'unsupported_media_type', message: expect.stringContaining('gzip') },
    })
    expect((await sent({ 'content-type': 'application/json;charset="UTF-8"' })).status).toBe(200)
    expect((await sent({ 'content-encoding': 'identity' })).status).toBe(200)
  })

  test.each([
    ['with a length', { 'content-length': '1000' }],
    ['without one', {}],
  ])('that its caller cuts short is the caller’s hang-up, not our failure: %s', async (_, headers: HeadersInit) => {
    const write = vi.spyOn(console, 'log').mockImplementation(() => undefined)
    const { post } = edge({ PERIGEE_LOG_LEVEL: 'info' })
    let pieces = 0
    const body = new ReadableStream({
      pull(controller) {
        if (pieces++ === 0) controller.enqueue(new TextEncoder().encode('{"model":'))
        else controller.error(new Error('Network connection lost.'))
      },
    })
    const response = await post(CHAT, '', { body, headers })
    expect(response.status).toBe(499)
    const lines = write.mock.calls.map(([line]) => JSON.parse(String(line)))
    expect(lines).toMatchObject([{ level: 'info', status: 499, code: 'caller_gone' }])
  })

  test('may be as large as the limit, and not a byte larger', async () => {
    fakeModel(wholeAnswer(...HELLO))
    expect((await small.post(CHAT, ofBytes(1024))).status).toBe(200)
    const larger = await small.post(CHAT, ofBytes(1025))
    expect([larger.status, await codeOf(larger)]).toEqual([413, 'body_too_large'])
  })

  test('that says it is too large is refused unread', async () => {
    const { body, read } = stream(ofBytes(5_000))
    expect((await small.post(CHAT, '', { body, headers: { 'content-length': '5000' } })).status).toBe(413)
    expect(read()).toBeLessThanOrEqual(100)
  })

  test('that does not say is counted while it is read, and left when it is too large', async () => {
    fakeModel(wholeAnswer(...HELLO))
    expect((await small.post(CHAT, '', { body: stream(ofBytes(1024)).body })).status).toBe(200)
    const { body, read } = stream(ofBytes(50_000))
    expect((await small.post(CHAT, '', { body })).status).toBe(413)
    expect(read()).toBeLessThan(2_000)
  })

  test('of text alone has a lower limit', async () => {
    const prompt = { model: MODEL, prompt: 'x'.repeat(4 * 1_048_576) }
    expect((await post('/v1/completions', prompt)).status).toBe(413)
    fakeModel(wholeAnswer(...HELLO))
    expect((await post(CHAT, { ...HI, messages: [{ role: 'user', content: 'A'.repeat(5_000_000) }] })).status).toBe(200)
  })
})

describe('a request id', () => {
  test('is the caller’s own when it is sane', async () => {
    expect((await get('/health', { 'x-request-id': 'trace-0123456789' })).headers.get('x-request-id')).toBe(
      'trace-0123456789',
    )
  })

  test.each(['short', 'with space in it', 'x'.repeat(129), '{"json":"injection"}'])(
    'is ours when theirs is not: %s',
    async (id) => {
      expect((await get('/health', { 'x-request-id': id })).headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/)
    },
  )

  test('is on errors too, in the body and in the header', async () => {
    const response = await get('/nothing', { 'x-request-id': 'trace-0123456789' })
    expect(response.headers.get('x-request-id')).toBe('trace-0123456789')
    expect(await response.json()).toMatchObject({ request_id: 'trace-0123456789' })
  })
})

describe('a web page', () => {
  const origin = { origin: 'https://page.example' }

  test('may ask what it may send, without a key', async () => {
    const headers = {
      ...origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,x-custom',
    }
    const response = await fetch(CHAT, { method: 'OPTIONS', headers })
    expect(response.status).toBe(204)
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(response.headers.get('access-control-allow-methods')).toContain('POST')
    expect(response.headers.get('access-control-allow-headers')).toBe('authorization,x-custom')
    expect(response.headers.has('access-control-allow-credentials')).toBe(false)
  })

  test('may read answers, errors and streams', async () => {
    fakeModel(wholeAnswer(...HELLO))
    const answers = [
      await get('/v1/models', origin),
      await fetch('/v1/models', { headers: origin }),
      await post(CHAT, { ...HI, stream: true }, { headers: origin }),
    ]
    for (const answer of answers) {
      expect(answer.headers.get('access-control-allow-origin')).toBe('*')
      expect(answer.headers.get('access-control-expose-headers')).toContain('x-request-id')
    }
    expect((await get('/v1/models')).headers.has('access-control-allow-origin')).toBe(false)
  })
})

describe('the log', () => {
  const loud = (settings: Record<string, string> = {}) => {
    const write = vi.spyOn(console, 'log').mockImplementation(() => undefined)
    const lines = () => write.mock.calls.map(([line]) => JSON.parse(String(line)))
    return { lines, text: () => JSON.stringify(write.mock.calls), ...edge({ PERIGEE_LOG_LEVEL: 'info', ...settings }) }
  }
  const SECRET = { model: MODEL, messages: [{ role: 'user', content: 'my secret prompt' }] }

  test('has one line for an answer: who, what, how long, and never the text or the key', async () => {
    const { lines, text, post, settled } = loud()
    fakeModel(wholeAnswer(...HELLO))
    await post(`${CHAT}?token=hunter2`, SECRET, { headers: { 'x-request-id': 'trace-0123456789' } })
    await settled()
    expect(lines()).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        event: 'request',
        request_id: 'trace-0123456789',
        method: 'POST',
        route: CHAT,
        status: 200,
        model: MODEL,
        tenant: 'tnt_default',
        key: 'key_default',
        ms: expect.any(Number),
      },
    ])
    expect(text()).not.toMatch(new RegExp(`secret prompt|Hello|hunter2|${KEY}`))
  })

  test('has the line of a stream when the stream is over, with what ended it', async () => {
    const { lines, post, settled } = loud()
    const { promise: started, resolve } = Promise.withResolvers<ReturnType<typeof liveAnswer>>()
    fakeModel((call) => {
      const live = liveAnswer(call)
      resolve(live)
      return live.response
    })
    const answering = post(CHAT, { ...SECRET, stream: true })
    const live = await started
    live.event(chunk({ delta: { content: 'Hel' } }))
    const response = await answering
    expect(lines()).toEqual([])
    live.breakOff()
    await response.text()
    await settled()
    expect(lines()).toMatchObject([
      {
        level: 'error',
        status: 200,
        code: 'upstream_interrupted',
        cause: expect.stringContaining('Network connection lost'),
      },
    ])
  })

  test('says when the caller left', async () => {
    const { lines, post, settled } = loud()
    fakeModel((call) => {
      const live = liveAnswer(call)
      live.event(chunk({ delta: { content: 'Hel' } }))
      return live.response
    })
    await (await post(CHAT, { ...SECRET, stream: true })).body?.cancel()
    await settled()
    expect(lines()).toMatchObject([{ level: 'info', code: 'caller_gone' }])
  })

  test('names the model also of a turn that failed', async () => {
    const error = new AppError('upstream_timeout', 'The model did not answer in time.').toValue()
    const write = vi.spyOn(console, 'log').mockImplementation(() => undefined)
    const conversations = { turn: async () => ({ ok: false as const, error }) }
    const { post } = edge({ PERIGEE_LOG_LEVEL: 'info' }, () => ({ conversations }))
    await post('/chat', { message: 'Hi', user_id: 'u' })
    await post('/chat', { message: 'Hi', user_id: 'u', model_config: { model: 'other' } })
    const lines = write.mock.calls.map(([line]) => JSON.parse(String(line)))
    expect(lines).toMatchObject([{ code: 'upstream_timeout', model: MODEL }, { model: 'other' }])
  })

  test('has the cause of an unknown failure, which the caller does not get', async () => {
    const broken = new Error('a mistake of ours')
    const write = vi.spyOn(console, 'log').mockImplementation(() => undefined)
    const { get } = edge({ PERIGEE_LOG_LEVEL: 'error' }, () => ({ metrics: { text: () => Promise.reject(broken) } }))
    const response = await get('/metrics')
    expect([response.status, await codeOf(response)]).toEqual([500, 'internal_error'])
    expect(JSON.parse(String(write.mock.calls[0]?.[0]))).toMatchObject({
      level: 'error',
      code: 'internal_error',
      cause: expect.stringContaining('a mistake of ours'),
    })
  })

  test('is as quiet as it is told to be', async () => {
    const { lines, get, fetch } = loud({ PERIGEE_LOG_LEVEL: 'warn' })
    await get('/v1/models')
    await fetch('/v1/models')
    expect(lines()).toEqual([])
  })

  test('tells of a wrong setting by name, and the caller only that something is wrong', async () => {
    const { lines, get } = loud({ PERIGEE_TOTAL_TIMEOUT_MS: 'soon' })
    const response = await get('/v1/models')
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('PERIGEE')
    expect(lines()).toMatchObject([{ level: 'error', cause: expect.stringContaining('PERIGEE_TOTAL_TIMEOUT_MS') }])
  })
})

describe('the small routes', () => {
  test('list the models, and describe one', async () => {
    const list = await (await get('/v1/models')).json<{ data: { id: string }[] }>()
    expect(modelListSchema.safeParse(list).success).toBe(true)
    expect(list.data.map(({ id }) => id)).toEqual([MODEL])
    expect(modelSchema.safeParse(await (await get(`/v1/models/${MODEL}`)).json()).success).toBe(true)
    const unknown = await get('/v1/models/nobody%2Fnothing')
    expect([unknown.status, await codeOf(unknown)]).toEqual([404, 'model_not_found'])
  })

  test('say that a model is unknown where it is asked for', async () => {
    const response = await post(CHAT, { ...HI, model: 'gpt-nothing' })
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ error: { code: 'model_not_found', param: 'model' } })
  })

  test('say that the edge answers', async () => {
    const response = await fetch('/health')
    expect(healthSchema.safeParse(await response.json()).success).toBe(true)
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  test('describe the API to programs and to people', async () => {
    expect(await (await fetch('/openapi.json')).json()).toMatchObject({ openapi: '3.1.1', info: { title: 'Perigee' } })
    const page = await fetch('/docs')
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(await page.text()).toContain(`curl https://edge.test${CHAT}`)
  })

  test('pass on what a conversation says was wrong', async () => {
    const details = { conversation_id: 'conv_x' }
    const error = new AppError('conversation_not_found', 'There is no such conversation.', { details }).toValue()
    const { post } = edge({}, () => ({ conversations: { turn: async () => ({ ok: false, error }) } }))
    const response = await post('/chat', { message: 'Hi', user_id: 'u' })
    expect(response.status).toBe(404)
    const problem = await response.json()
    expect(problem).toMatchObject({ code: 'conversation_not_found', ...details })
    expect(problemSchema.safeParse(problem)).toMatchObject({ success: true, data: details })
  })
})
