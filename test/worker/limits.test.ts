/** Limits as callers meet them: what is counted, what a refusal says, that its headers are true, and what happens when a store fails. Runs in workerd. */
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest'
import type { Principal } from '../../src/chat/ports.ts'
import { SCOPES } from '../../src/contract/scopes.ts'
import { limitListSchema, limitSchema, problemSchema } from '../../src/http/openapi/schemas.ts'
import type { Limits } from '../../src/limits/limit-object.ts'
import type {} from '../support/upstash/provided-upstash.ts'
import { codeOf, type Edge, edge, KEY, MODEL } from './edge-client.ts'
import { fakeModel, HELLO, liveAnswer, sse, usageChunk, wholeAnswer } from './fake-model.ts'

const CHAT = '/v1/chat/completions'
const HI = { model: MODEL, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 10 }
const HOUR_S = 3_600
const KEYED = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
const upstash = inject('upstash')

/** Early in an hour of the future, so that no window ends in the middle of a test. */
let now = 0
beforeEach(() => {
  now = Math.ceil(Date.now() / 3_600_000) * 3_600_000 + 60_000
  vi.useFakeTimers({ toFake: ['Date'], now })
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

function passSeconds(seconds: number): void {
  now += seconds * 1_000
  vi.setSystemTime(now)
}

let principals = 0
function freshPrincipal(more: Partial<Principal> = {}): Principal {
  principals += 1
  return { tenantId: `tnt_limits${principals}`, keyId: `key_${principals}`, scopes: SCOPES, ...more }
}

/** One isolate of its own. */
function as(principal: Principal, bindings: object = {}): Edge {
  return edge(bindings as Record<string, string>, () => ({ keys: { find: async () => principal } }))
}

async function set(client: Edge, limit: object): Promise<{ id: string }> {
  const response = await client.post('/admin/limits', limit)
  expect(response.status, await response.clone().text()).toBe(201)
  return response.json()
}

/** How many of so many are not refused. */
async function admitted(count: number, call: () => Promise<Response>): Promise<number> {
  let taken = 0
  for (let i = 0; i < count; i++) taken += Number((await call()).status !== 429)
  return taken
}

describe('the shipped limit', () => {
  test('is 100 requests an hour for each user at each endpoint', async () => {
    const principal = freshPrincipal()
    const client = as(principal)
    expect(await admitted(105, () => client.get('/v1/models'))).toBe(100)
    expect((await client.get(`/v1/models/${MODEL}`)).status).toBe(200)
    const user = as({ ...principal, userId: 'usr_1' })
    expect((await user.get('/v1/models')).status).toBe(200)
    expect((await as(freshPrincipal({ keyId: principal.keyId })).get('/v1/models')).status).toBe(200)
    // Another isolate knows it, too.
    expect((await as(principal).get('/v1/models')).status).toBe(429)
  })

  test('counts a user together whichever key brings the token, and no open route', async () => {
    const principal = freshPrincipal({ userId: 'usr_both' })
    const [one, two] = [as(principal), as({ ...principal, keyId: 'key_other' })]
    await admitted(60, () => one.get('/v1/models'))
    await vi.waitUntil(async () => (await admitted(1, () => two.get('/v1/models'))) === 1)
    expect(await admitted(60, () => two.get('/v1/models'))).toBeLessThan(40)
    expect(await admitted(120, () => two.fetch('/health'))).toBe(120)
  })

  test('does not count who has no valid key or no scope', async () => {
    const client = as(freshPrincipal({ scopes: [] }))
    for (let i = 0; i < 101; i++) expect((await client.get('/v1/models')).status).toBe(403)
  })

  test('of the key of the settings is a setting', async () => {
    const client = edge({ PERIGEE_DEV_KEY_REQUESTS_PER_HOUR: '3' })
    expect(await admitted(5, () => client.get('/v1/models'))).toBe(3)
    const other = edge()
    expect(await admitted(150, () => other.get('/metrics'))).toBe(150)
  })
})

describe('a refusal', () => {
  test('says which limit it is in the shape of its route, and names nobody', async () => {
    const principal = freshPrincipal({ userId: 'usr_secret' })
    const client = as(principal)
    await admitted(100, () => client.get('/v1/models'))
    const response = await client.get('/v1/models')
    expect(response.status).toBe(429)
    const text = await response.text()
    expect(JSON.parse(text)).toMatchObject({
      error: {
        code: 'rate_limited',
        type: 'rate_limit_error',
        message: expect.stringContaining('100 requests in 3600 seconds for this user at this endpoint'),
      },
    })
    for (const secret of [principal.tenantId, principal.keyId, 'usr_secret']) expect(text).not.toContain(secret)

    await set(client, {
      dimension: 'endpoint',
      subject: 'POST /chat',
      kind: 'requests',
      amount: 1,
      window_seconds: HOUR_S,
    })
    passSeconds(10)
    await client.get('/admin/limits')
    const turn = () => client.post('/chat', { message: 'Hi', user_id: 'u', model_config: { model: 'none' } })
    await vi.waitUntil(async () => (await turn()).status === 429)
    const problem = await turn()
    expect(problem.headers.get('content-type')).toBe('application/problem+json')
    const body = await problem.json()
    expect(problemSchema.parse(body)).toMatchObject({
      code: 'rate_limited',
      limit: 'endpoint-requests',
      retryable: true,
    })
  })

  test('is true: after Retry-After, and not before, the next request is admitted', async () => {
    const client = as(freshPrincipal())
    await admitted(100, () => client.get('/v1/models'))
    const refused = await client.get('/v1/models')
    const after = Number(refused.headers.get('retry-after'))
    expect(after).toBe(HOUR_S - 60)
    expect(refused.headers.get('ratelimit')).toBe(`"endpoint-requests-3600s";r=0;t=${after}`)
    expect(refused.headers.get('x-ratelimit-reset-requests')).toBe('59m0s')
    passSeconds(after - 1)
    expect((await client.get('/v1/models')).status).toBe(429)
    passSeconds(1)
    expect((await client.get('/v1/models')).status).toBe(200)
    expect(await admitted(150, () => client.get('/v1/models'))).toBe(99)
  })

  test('costs none of the limits that would have let it in', async () => {
    const client = as(freshPrincipal())
    await set(client, { dimension: 'end_user', kind: 'requests', amount: 2, window_seconds: HOUR_S })
    await set(client, { dimension: 'key', kind: 'requests', amount: 20, window_seconds: HOUR_S })
    passSeconds(11)
    await client.get('/admin/limits')
    const ask = (user: string) => client.post(CHAT, { ...HI, model: 'none', user })
    await vi.waitUntil(async () => (await ask('settling')).headers.has('ratelimit'))
    expect(await admitted(30, () => ask('ada'))).toBe(2)
    expect((await ask('ada')).headers.get('ratelimit')).toContain('"key-requests-3600s";r=17;')
    expect(await admitted(30, () => ask('bob'))).toBe(2)
  })
})

test('the user that a body names is counted within a server key, and not under a token, which has its own', async () => {
  const principal = freshPrincipal()
  await set(as(principal), { dimension: 'end_user', kind: 'requests', amount: 2, window_seconds: HOUR_S })
  const [server, token] = [as(principal), as({ ...principal, userId: 'usr_1' })]
  const turn = (client: Edge, user: string) => () =>
    client.post('/chat', { message: 'Hi', user_id: user, model_config: { model: 'none' } })
  expect(await admitted(4, turn(server, 'ada'))).toBe(2)
  expect(await admitted(4, turn(server, 'bob'))).toBe(2)
  expect(await admitted(4, () => server.post(CHAT, { ...HI, model: 'none', user: 'ada' }))).toBe(0)
  expect(await admitted(4, turn(token, 'ada'))).toBe(4)
})

test('headers count down by one, and a page of another origin may read them', async () => {
  const client = as(freshPrincipal())
  for (let i = 1; i <= 20; i++) {
    const { headers } = await client.get('/v1/models', { origin: 'https://page.example' })
    expect(headers.get('ratelimit')).toBe(`"endpoint-requests-3600s";r=${100 - i};t=${HOUR_S - 60}`)
    expect(headers.get('ratelimit-policy')).toBe('"endpoint-requests-3600s";q=100;w=3600')
    expect(headers.get('x-ratelimit-limit-requests')).toBe('100')
    expect(headers.get('x-ratelimit-remaining-requests')).toBe(String(100 - i))
    expect(headers.get('access-control-expose-headers')).toContain('x-ratelimit-remaining-requests')
  }
})

describe('limits of a tenant', () => {
  test('are set, listed page by page, changed and removed, and hold within ten seconds', async () => {
    const client = as(freshPrincipal())
    const made = await set(client, { dimension: 'tenant', kind: 'requests', amount: 5, window_seconds: 60 })
    expect(limitSchema.parse(made)).toMatchObject({ dimension: 'tenant', subject: '*', amount: 5, window_seconds: 60 })
    const holds = async (count: number) => {
      passSeconds(60)
      await client.get('/v1/models')
      passSeconds(60)
      await vi.waitUntil(async () => {
        passSeconds(60)
        return (await admitted(20, () => client.get('/v1/models'))) === count
      })
    }
    await holds(5)
    expect(
      await (
        await client.fetch(`/admin/limits/${made.id}`, { method: 'PATCH', headers: KEYED, body: '{"amount":7}' })
      ).json(),
    ).toMatchObject({
      amount: 7,
      window_seconds: 60,
    })
    await holds(7)
    expect(await (await client.fetch(`/admin/limits/${made.id}`, { method: 'DELETE', headers: KEYED })).json()).toEqual(
      {
        id: made.id,
        object: 'limit.deleted',
        deleted: true,
      },
    )
    await holds(20)

    for (const kind of ['requests', 'tokens']) {
      await set(client, { dimension: 'key', kind, amount: 1_000, window_seconds: 60 })
      await set(client, { dimension: 'key', kind, amount: 9_000, window_seconds: HOUR_S })
    }
    await set(client, { dimension: 'key', kind: 'streams', amount: 3 })
    const ids: string[] = []
    let after = ''
    do {
      const response = await client.get(`/admin/limits?limit=2${after}`)
      const page = limitListSchema.parse(await response.json())
      ids.push(...page.data.map(({ id }) => id))
      after = page.next === undefined ? '' : `&after=${page.next}`
      expect(page.has_more).toBe(after !== '')
    } while (after !== '')
    expect(new Set(ids).size).toBe(5)
  })

  test.each([
    [{ dimension: 'endpoint', kind: 'tokens', amount: 1, window_seconds: 1 }, 'kind'],
    [{ dimension: 'key', kind: 'streams', amount: 1, window_seconds: 1 }, 'window_seconds'],
    [{ dimension: 'key', kind: 'tokens', amount: 1 }, 'window_seconds'],
    [{ dimension: 'tenant', subject: 'x', kind: 'tokens', amount: 1, window_seconds: 1 }, 'subject'],
    [{ dimension: 'endpoint', subject: '/chat', kind: 'requests', amount: 1, window_seconds: 1 }, 'subject'],
    [{ dimension: 'key', kind: 'tokens', amount: 0, window_seconds: 1 }, 'amount'],
    [{ dimension: 'key', kind: 'tokens', amount: 1, window_seconds: 1, tenant_id: 'tnt_other' }, 'tenant_id'],
  ])('that make no sense are refused by name: %#', async (limit, param) => {
    const response = await as(freshPrincipal()).post('/admin/limits', limit)
    expect(await response.json()).toMatchObject({ code: 'invalid_request', param })
  })

  test('are there once, and are nobody else’s to see or change', async () => {
    const limit = { dimension: 'user', kind: 'requests', amount: 5, window_seconds: 60 }
    const client = as(freshPrincipal())
    const { id } = await set(client, limit)
    expect(await codeOf(await client.post('/admin/limits', limit))).toBe('already_exists')
    const other = as(freshPrincipal())
    await set(other, limit)
    for (const [method, body] of [['GET'], ['DELETE'], ['PATCH', '{"amount":1}']] as const) {
      const init = { method, headers: KEYED, ...(body === undefined ? {} : { body }) }
      const [theirs, missing] = await Promise.all([
        other.fetch(`/admin/limits/${id}`, init),
        other.fetch('/admin/limits/lim_none', init),
      ])
      expect([theirs.status, missing.status]).toEqual([404, 404])
      expect(await codeOf(theirs)).toBe('resource_not_found')
    }
    expect(await (await client.get(`/admin/limits/${id}`)).json()).toMatchObject({ amount: 5 })
    const poor = as(freshPrincipal({ scopes: ['limits:read'] }))
    expect((await poor.post('/admin/limits', limit)).status).toBe(403)
    expect((await client.get('/admin/limits?limit=0')).status).toBe(400)
  })

  test('cannot be read from a D1 that fails: closed where nothing is known, else as they were', async () => {
    const principal = freshPrincipal()
    await set(as(principal), { dimension: 'key', kind: 'requests', amount: 30, window_seconds: HOUR_S })
    let isDown = false
    const DB = new Proxy(env.DB, {
      get(target, name) {
        if (isDown) throw new Error('D1 is down at 10.0.0.1')
        const value = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const client = as(principal, { DB })
    expect((await client.get('/v1/models')).headers.get('ratelimit-policy')).toContain('"key-requests-3600s";q=30')
    isDown = true
    passSeconds(60)
    expect((await client.get('/v1/models')).headers.get('ratelimit-policy')).toContain('"key-requests-3600s";q=30')
    expect(await codeOf(await client.get('/admin/limits'))).toBe('store_unavailable')
    const cold = await as(principal, { DB }).get('/v1/models')
    expect(cold.status).toBe(503)
    expect(await cold.text()).not.toContain('10.0.0.1')
  })
})

describe('what is counted when the model is known', () => {
  async function limited(...limits: object[]): Promise<Edge> {
    const principal = freshPrincipal()
    for (const limit of limits) await set(as(principal), limit)
    return as(principal)
  }

  test('tokens: as the model reports them, in the headers, and refused when they are used up', async () => {
    fakeModel(
      wholeAnswer(
        ...HELLO.slice(0, -2),
        usageChunk({ prompt_tokens: 60, completion_tokens: 340, total_tokens: 400 }),
        HELLO.at(-1) as string,
      ),
    )
    const client = await limited({ dimension: 'user', kind: 'tokens', amount: 1_000, window_seconds: 60 })
    const remaining: (string | null)[] = []
    const statuses: number[] = []
    for (let i = 0; i < 4; i++) {
      const response = await client.post(CHAT, HI)
      statuses.push(response.status)
      remaining.push(response.headers.get('x-ratelimit-remaining-tokens'))
    }
    expect(statuses).toEqual([200, 200, 200, 429])
    expect(remaining).toEqual(['600', '200', '0', '0'])
    const refused = await client.post(CHAT, HI)
    expect(refused.headers.get('ratelimit-policy')).toContain('"user-tokens-60s";q=1000;w=60;qu="tokens"')
    expect(await refused.clone().text()).toContain('1000 tokens in 60 seconds')
    passSeconds(Number(refused.headers.get('retry-after')))
    expect((await client.post(CHAT, HI)).status).toBe(200)
  })

  test('tokens of an answer that never began cost nothing', async () => {
    fakeModel(() => new Response('no', { status: 401 }))
    const client = await limited({ dimension: 'key', kind: 'tokens', amount: 1_000, window_seconds: 60 })
    for (let i = 0; i < 10; i++) expect((await client.post(CHAT, { ...HI, max_tokens: 200 })).status).toBe(502)
  })

  test('requests to a model, of the whole tenant', async () => {
    fakeModel(wholeAnswer(...HELLO))
    const client = await limited({
      dimension: 'model',
      subject: MODEL,
      kind: 'requests',
      amount: 3,
      window_seconds: 60,
    })
    expect(await admitted(6, () => client.post(CHAT, HI))).toBe(3)
    expect(await (await client.post('/generate', { text: 'One,', max_length: 3 })).json()).toMatchObject({
      code: 'rate_limited',
      limit: 'model-requests',
    })
    expect((await client.get('/v1/models')).status).toBe(200)
  })

  test('answers at the same time: a place is free when its answer ends or its caller hangs up', async () => {
    const answers: ReturnType<typeof liveAnswer>[] = []
    fakeModel((call) => {
      const live = liveAnswer(call)
      answers.push(live)
      live.write(sse(HELLO[1]))
      return live.response
    })
    const client = await limited({ dimension: 'key', kind: 'streams', amount: 2 })
    const open = (init: RequestInit = {}) => client.post(CHAT, { ...HI, stream: true }, init)
    const caller = new AbortController()
    const [first, second] = [await open(), await open({ signal: caller.signal })]
    expect([first.status, second.status]).toEqual([200, 200])
    const third = await open()
    expect(third.status).toBe(429)
    expect(third.headers.has('retry-after')).toBe(false)
    expect(await third.text()).toContain('2 answers at the same time')

    for (const event of HELLO.slice(2)) answers[0]?.write(typeof event === 'string' ? event : sse(event))
    answers[0]?.end()
    await first.text()
    passSeconds(1)
    const fourth = await open()
    expect(fourth.status).toBe(200)
    caller.abort()
    await vi.waitUntil(async () => {
      passSeconds(1)
      return (await open()).status === 200
    })
  })
})

describe('a store of limits', () => {
  /** What the binding does, after so many calls have been answered as they should. */
  function failing(afterCalls: number, fail: () => Promise<never>) {
    let calls = 0
    const namespace = {
      getByName(name: string) {
        const object = env.LIMITS.getByName(name)
        const answer = <Value>(call: () => Promise<Value>) => {
          calls += 1
          return calls > afterCalls ? fail() : call()
        }
        return {
          take: (...args: Parameters<Limits['take']>) => answer(() => object.take(...args)),
          giveBack: (...args: Parameters<Limits['giveBack']>) => answer(() => object.giveBack(...args)),
          hold: (...args: Parameters<Limits['hold']>) => answer(() => object.hold(...args)),
        }
      },
    }
    return { LIMITS: namespace, calls: () => calls }
  }

  test('that never answered refuses: closed, and not as too many requests', async () => {
    const down = failing(0, () => Promise.reject(new Error('No object at 10.0.0.1')))
    const response = await as(freshPrincipal(), down).get('/v1/models')
    expect(response.status).toBe(503)
    const text = await response.text()
    expect(text).toContain('store_unavailable')
    expect(text).not.toContain('10.0.0.1')
  })

  test('is not waited for by a request that this isolate holds a slice for, not even when it never answers again', async () => {
    const hanging = failing(1, () => new Promise(() => undefined))
    const client = as(freshPrincipal(), hanging)
    await client.get('/v1/models')
    const startMs = performance.now()
    for (let i = 0; i < 3; i++) expect((await client.get('/v1/models')).status).toBe(200)
    expect(hanging.calls()).toBeLessThanOrEqual(2)
    expect(performance.now() - startMs).toBeLessThan(900)
  })

  test('that fails later lets in what was held and one slice more, then refuses', async () => {
    const down = failing(1, () => Promise.reject(new Error('down')))
    const client = as(freshPrincipal(), down)
    const statuses: number[] = []
    for (let i = 0; i < 20; i++) statuses.push((await client.get('/v1/models')).status)
    const letIn = statuses.filter((status) => status === 200).length
    // 100 / 25 at first, and as many again.
    expect(letIn).toBe(8)
    expect(statuses.lastIndexOf(200)).toBe(letIn - 1)
    expect(new Set(statuses.slice(letIn))).toEqual(new Set([503]))
  })
})

describe.skipIf('missing' in upstash)('with Upstash configured', () => {
  test('the shipped limit holds between isolates', async () => {
    if (!('url' in upstash)) return
    const settings = { PERIGEE_UPSTASH_URL: upstash.url, PERIGEE_UPSTASH_TOKEN: upstash.token }
    const principal = freshPrincipal({ tenantId: `tnt_${crypto.randomUUID()}` })
    const [one, two] = [as(principal, settings), as(principal, settings)]
    expect(await admitted(60, () => one.get('/v1/models'))).toBe(60)
    const rest = await admitted(60, () => two.get('/v1/models'))
    expect(rest).toBeLessThanOrEqual(40)
    expect(rest).toBeGreaterThan(20)
    expect(await codeOf(await two.get('/v1/models'))).toBe('rate_limited')
  })
})

test("another tenant's limits and filter rules are reached by ?tenant_id= with tenants:*, and refused, not taken for one's own, without", async () => {
  const operator = as(freshPrincipal())
  const limit = { dimension: 'tenant', kind: 'streams', amount: 7 }
  const theirs = await operator.post('/admin/limits?tenant_id=tnt_elsewhere', limit)
  expect(theirs.status).toBe(201)
  const rule = { method: 'PUT', body: JSON.stringify({ action: 'mask', words: ['secret'] }) }
  const headers = { authorization: 'Bearer any', 'content-type': 'application/json' }
  expect((await operator.fetch('/admin/filters/w?tenant_id=tnt_elsewhere', { ...rule, headers })).status).toBe(200)
  const seen = async (client: Edge, path: string) => {
    const response = await client.get(path)
    return response.status === 200 ? (await response.json<{ data: unknown[] }>()).data.length : response.status
  }
  for (const path of ['/admin/limits', '/admin/filters']) {
    expect(await seen(operator, path)).toBe(0)
    expect(await seen(operator, `${path}?tenant_id=tnt_elsewhere`)).toBe(1)
    const admin = as(freshPrincipal({ scopes: SCOPES.filter((scope) => !scope.startsWith('tenants:')) }))
    expect(await seen(admin, `${path}?tenant_id=tnt_elsewhere`)).toBe(403)
  }
})
