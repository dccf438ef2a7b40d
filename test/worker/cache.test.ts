/** Remembered answers as callers see them, with the platform's real Cache API behind the isolate's memory. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { platformStore } from '../../src/cache/platform-store.ts'
import { upstashStore } from '../../src/cache/upstash-store.ts'
import type { ContentFilter, ModelEvent, ModelRequest } from '../../src/chat/ports.ts'
import type { ChatResponse } from '../../src/contract/chat-completion.ts'
import type { HttpPorts } from '../../src/http/ports.ts'
import { type Edge, edge, MODEL } from './edge-client.ts'
import { chunk, DONE, fakeModel, HELLO, sse, wholeAnswer } from './fake-model.ts'

const CHAT = '/v1/chat/completions'

afterEach(() => {
  vi.unstubAllGlobals()
})

let questions = 0
/** Asks what nobody asked before. */
function question(more: object = {}): object {
  questions += 1
  return { model: MODEL, temperature: 0, messages: [{ role: 'user', content: `Question ${questions}` }], ...more }
}

const statusOf = (response: Response) => response.headers.get('x-perigee-cache')

async function textOf(response: Response): Promise<string | null | undefined> {
  return (await response.json<ChatResponse>()).choices[0]?.message.content
}

describe('a request that was asked before', () => {
  const { post, settled } = edge()

  test('gets the same answer, whole or as a stream, and the model is not asked', async () => {
    const model = fakeModel(wholeAnswer(...HELLO))
    const asked = question()
    const first = await post(CHAT, asked)
    expect([statusOf(first), first.headers.get('age')]).toEqual(['miss', null])
    const answer = await first.json()
    const again = await post(CHAT, asked)
    expect([statusOf(again), again.headers.get('age')]).toEqual(['hit', '0'])
    expect(await again.json()).toEqual(answer)
    const all = { stream: true, stream_options: { include_usage: true }, return_token_ids: true }
    const stream = await post(CHAT, { ...asked, ...all })
    expect([statusOf(stream), stream.headers.get('content-type')]).toEqual(['hit', 'text/event-stream; charset=utf-8'])
    const text = await stream.text()
    expect(text.endsWith(DONE)).toBe(true)
    expect(text).toContain('"content":"Hello world"},"finish_reason":null,"token_ids":[10,11]')
    expect(text).toContain('"usage":')
    const plain = await (await post(CHAT, { ...asked, stream: true })).text()
    expect(plain).not.toMatch(/usage|token_ids/)
    expect(model.calls).toHaveLength(1)
    await settled()
  })

  test('gets it on the other routes too', async () => {
    const choice = { index: 0, text: ' more', finish_reason: 'stop', logprobs: null }
    const head = { id: 'cmpl-1', object: 'text_completion', created: 1, model: MODEL }
    const model = fakeModel(wholeAnswer(sse({ ...head, choices: [choice] }), DONE))
    const text = `Once ${Math.random()}`
    const prompt = { model: MODEL, prompt: text, temperature: 0 }
    const statuses = []
    for (const [path, body] of [
      ['/v1/completions', prompt],
      ['/v1/completions', { ...prompt, prompt: [text] }],
      ['/generate', { text }],
      ['/generate', { max_length: 100, text }],
    ] as const) {
      const response = await post(path, body)
      expect(await response.text()).toContain(' more')
      statuses.push(statusOf(response))
    }
    expect(statuses).toEqual(['miss', 'hit', 'miss', 'hit'])
    expect(model.calls).toHaveLength(2)
    await settled()
  })

  test('is asked of the model when its headers say so, and a header that says nothing is refused', async () => {
    const model = fakeModel(wholeAnswer(...HELLO))
    const asked = question()
    const ask = async (headers: Record<string, string>, more: object = {}) =>
      statusOf(await post(CHAT, { ...asked, ...more }, { headers }))
    expect(await ask({ 'x-perigee-cache': 'off' })).toBe('bypass')
    expect(await ask({ 'cache-control': 'no-store' })).toBe('miss')
    expect(await ask({})).toBe('miss')
    expect(await ask({ 'cache-control': 'max-age=60' })).toBe('hit')
    expect(await ask({ 'cache-control': 'private, No-Cache' })).toBe('miss')
    expect(await ask({ 'cache-control': 'no-cache, no-store' })).toBe('bypass')
    expect(await ask({}, { temperature: 1 })).toBe('bypass')
    expect(await ask({ 'x-perigee-cache': 'on' }, { temperature: 1 })).toBe('miss')
    expect(await ask({ 'x-perigee-cache': 'On' }, { temperature: 1 })).toBe('hit')
    expect(await ask({ 'x-perigee-cache': 'on' }, { n: 2 }).catch(() => 'none')).not.toBe('hit')
    const calls = model.calls.length
    const wrong = await post(CHAT, asked, { headers: { 'x-perigee-cache': 'yes' } })
    const { error } = await wrong.json<{ error: object }>()
    expect([wrong.status, error]).toMatchObject([
      400,
      { code: 'invalid_request', message: 'x-perigee-cache must be on or off.' },
    ])
    expect(model.calls).toHaveLength(calls)
    await settled()
  })

  test('from a web page may see what the cache did', async () => {
    fakeModel(wholeAnswer(...HELLO))
    const response = await post(CHAT, question(), { headers: { origin: 'https://app.example' } })
    expect(response.headers.get('access-control-expose-headers')).toMatch(/x-perigee-cache.*age/)
    await settled()
  })

  test('by another tenant is another request', async () => {
    const model = fakeModel(wholeAnswer(...HELLO))
    const asked = question()
    const of = (tenantId: string) =>
      edge({}, () => ({ keys: { find: async () => ({ tenantId, keyId: 'k', scopes: ['chat'] }) } }))
    for (const tenant of ['tnt_a', 'tnt_b']) {
      const other = of(tenant)
      expect(statusOf(await other.post(CHAT, asked))).toBe('miss')
      await other.settled()
    }
    expect(model.calls).toHaveLength(2)
  })
})

describe("the platform's cache", () => {
  /** What is being put into it from now on. */
  function recordedPuts(): Promise<void>[] {
    const puts: Promise<void>[] = []
    const open = caches.open.bind(caches)
    vi.spyOn(caches, 'open').mockImplementation(async (name) => {
      const cache = await open(name)
      const put: Cache['put'] = (...entry) => {
        const putting = cache.put(...entry)
        puts.push(putting)
        return putting
      }
      return { match: cache.match.bind(cache), put, delete: cache.delete.bind(cache) }
    })
    return puts
  }

  test('has the answer for another isolate of the place, and not after its time', async () => {
    const model = fakeModel(wholeAnswer(...HELLO))
    const asked = question()
    const puts = recordedPuts()
    const [one, other] = [edge(), edge()]
    expect(await textOf(await one.post(CHAT, asked))).toBe('Hello world')
    await vi.waitFor(() => expect(puts).toHaveLength(1))
    await puts[0]
    const response = await other.post(CHAT, asked)
    expect([statusOf(response), await textOf(response)]).toEqual(['hit', 'Hello world'])
    expect(model.calls).toHaveLength(1)
    await other.settled()
    // As old as it may be: what is younger in the store was made by somebody whose clock is ahead.
    const strict = edge({ PERIGEE_CACHE_TTL_SECONDS: '1' })
    vi.setSystemTime(Date.now() + 2_000)
    expect(statusOf(await strict.post(CHAT, asked))).toBe('miss')
    vi.useRealTimers()
    vi.restoreAllMocks()
    await strict.settled()
  })

  test('keeps keys of tenants apart, whatever is in their names', async () => {
    const store = platformStore(() => caches.open('perigee-test'))
    await store.put('tnt_a/../b.x', 'one', 60)
    await store.put('tnt_a?b.x', 'two', 60)
    expect(await Promise.all(['tnt_a/../b.x', 'tnt_a?b.x', 'b.x', 'tnt_a'].map((key) => store.get(key)))).toEqual([
      'one',
      'two',
      undefined,
      undefined,
    ])
  })

  test('may be missing', async () => {
    const model = fakeModel(wholeAnswer(...HELLO))
    vi.spyOn(caches, 'open').mockRejectedValue(new Error('No cache here.'))
    const { post, settled } = edge()
    const asked = question()
    expect(statusOf(await post(CHAT, asked))).toBe('miss')
    expect(statusOf(await post(CHAT, asked))).toBe('hit')
    expect(model.calls).toHaveLength(1)
    await settled()
    vi.restoreAllMocks()
  })
})

describe('Upstash', () => {
  /** What its REST API answers to a command, as its documents have it. */
  function upstash(store: Map<string, string>, commands: unknown[][] = []) {
    vi.stubGlobal('fetch', async (url: string | URL | Request, init: RequestInit) => {
      if (!String(url instanceof Request ? url.url : url).startsWith('https://upstash.test'))
        throw new Error('not here')
      if (new Headers(init.headers).get('authorization') !== 'Bearer secret') {
        return Response.json({ error: 'WRONGPASS invalid or missing auth token' }, { status: 401 })
      }
      const command: unknown[] = JSON.parse(String(init.body))
      commands.push(command)
      const [name, key, value] = command.map(String)
      if (name?.toLowerCase() === 'get') {
        const found = store.get(key ?? '')
        return Response.json({ result: found ?? null })
      }
      store.set(key ?? '', value ?? '')
      return Response.json({ result: 'OK' })
    })
    return commands
  }

  test('gets and puts text, with its time, under a name with the tenant', async () => {
    const texts = new Map<string, string>()
    const commands = upstash(texts)
    const store = upstashStore({ url: 'https://upstash.test', token: 'secret' })
    expect(await store.get('tnt_a.key')).toBeUndefined()
    await store.put('tnt_a.key', '{"héllo":"wörld 😀"}', 3_600)
    expect(await store.get('tnt_a.key')).toBe('{"héllo":"wörld 😀"}')
    expect(commands[1]?.map((part) => String(part).toLowerCase()).slice(0, 2)).toEqual([
      'set',
      'perigee:answer:tnt_a.key',
    ])
    expect(commands[1]?.map(String)).toContain('3600')
  })

  test('rejects when its token is wrong, and when nobody answers', async () => {
    upstash(new Map())
    await expect(upstashStore({ url: 'https://upstash.test', token: 'wrong' }).get('k')).rejects.toThrow('WRONGPASS')
    await expect(upstashStore({ url: 'https://nobody.test', token: 'secret' }).get('k')).rejects.toThrow()
  })
})

describe("what a tenant changes needs no clearing: a remembered answer is the model's own", () => {
  /** The sequence with a filter and a template that the test changes. */
  function host(): Edge & { filter: ContentFilter | undefined; template: string } {
    const held = { filter: undefined as ContentFilter | undefined, template: 'one' }
    const client = edge({}, (wired: HttpPorts) => ({
      complete: {
        ...wired.complete,
        filters: { of: () => held.filter },
        prompts: {
          render: () => ({ messages: [{ role: 'system', content: held.template }], promptId: 'p', version: 1 }),
        },
      },
    }))
    return Object.assign(held, client)
  }

  const mask = (batch: readonly ModelEvent[]): ModelEvent[] =>
    JSON.parse(JSON.stringify(batch).replaceAll('Hello world', '***'))
  const masksOutput: ContentFilter = {
    input: (request) => ({ request, flags: [] }),
    async *output(events) {
      for await (const batch of events) yield mask(batch)
    },
    outputWhole: (events) => ({ events: mask(events), isBlocked: false }),
  }

  test('the output filter of the moment is applied to it', async () => {
    const model = fakeModel(wholeAnswer(chunk({ delta: { content: 'Hello world' }, finish_reason: 'stop' }), DONE))
    const changed = host()
    const asked = question()
    changed.filter = masksOutput
    expect(await textOf(await changed.post(CHAT, asked))).toBe('***')
    changed.filter = undefined
    const unfiltered = await changed.post(CHAT, asked)
    expect([statusOf(unfiltered), await textOf(unfiltered)]).toEqual(['hit', 'Hello world'])
    changed.filter = masksOutput
    const filtered = await changed.post(CHAT, asked)
    expect([statusOf(filtered), await textOf(filtered)]).toEqual(['hit', '***'])
    expect(model.calls).toHaveLength(1)
    await changed.settled()
  })

  test('what the input filter masks is asked as another request', async () => {
    const model = fakeModel(wholeAnswer(...HELLO))
    const changed = host()
    const asked = question({ messages: [{ role: 'user', content: `secret ${Math.random()}` }] })
    await changed.post(CHAT, asked)
    const masked = (request: ModelRequest): ModelRequest => JSON.parse(JSON.stringify(request).replace('secret', '***'))
    changed.filter = { ...masksOutput, input: (request) => ({ request: masked(request), flags: [] }) }
    expect(statusOf(await changed.post(CHAT, asked))).toBe('miss')
    expect(JSON.stringify(model.lastCall().body)).toContain('***')
    await changed.settled()
  })

  test('another text of the template is another request', async () => {
    const model = fakeModel(wholeAnswer(...HELLO))
    const changed = host()
    const asked = question({ prompt: { id: 'greeting' } })
    expect(statusOf(await changed.post(CHAT, asked))).toBe('miss')
    expect(statusOf(await changed.post(CHAT, asked))).toBe('hit')
    changed.template = 'two'
    expect(statusOf(await changed.post(CHAT, asked))).toBe('miss')
    expect(model.calls).toHaveLength(2)
    await changed.settled()
  })
})
