/** The log of requests with the real object and D1: what is in it, how it is searched, what a death or an outage cannot take, and when it goes. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Principal } from '../../src/chat/ports.ts'
import { requestDetailsSchema, requestListSchema } from '../../src/http/openapi/request-schemas.ts'
import type { RequestQuery } from '../../src/http/ports.ts'
import { deliverRows } from '../../src/request-log/deliver-rows.ts'
import { type LogRow, rowId, rowText } from '../../src/request-log/log-row.ts'
import { listStatement } from '../../src/request-log/request-sql.ts'
import { logRow } from '../support/log-row.ts'
import { codeOf, edge, MODEL } from './edge-client.ts'
import { chunk, fakeModel, HELLO, liveAnswer, wholeAnswer } from './fake-model.ts'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

const CHAT = '/v1/chat/completions'
const BODY = { model: MODEL, messages: [{ role: 'user', content: 'A secret word' }] }

function tenantEdge(tenantId: string, settings: Record<string, string> = {}) {
  const principal: Principal = {
    tenantId,
    keyId: 'key_1',
    scopes: ['chat', 'usage:read', 'filters:write', 'tenants:write'],
  }
  return edge(settings, () => ({ keys: { find: () => principal } }))
}

type Shown = Record<string, unknown>

/** Isolates tell in the background, the object's alarm brings it to D1. */
async function logged(client: ReturnType<typeof tenantEdge>, tenantId: string, count: number): Promise<Shown[]> {
  return vi.waitUntil(
    async () => {
      await runDurableObjectAlarm(env.REQUEST_LOG.getByName(tenantId))
      const { data } = await (await client.get('/admin/requests')).json<{ data: Shown[] }>()
      return data.length >= count ? data : undefined
    },
    { timeout: 10_000, interval: 50 },
  )
}

describe('a completion', () => {
  test('is in the log with who asked, who answered, what it cost and how long it took, and nothing of what was said', async () => {
    const client = tenantEdge('tnt_one')
    fakeModel(wholeAnswer(...HELLO))
    await client.post(`/admin/prices/${MODEL}`, { input: 150_000, output: 600_000 }, { method: 'PUT' })
    const response = await client.post(CHAT, { ...BODY, user: 'ada' }, { headers: { 'user-agent': 'curl/8.9' } })
    const requestId = String(response.headers.get('x-request-id'))
    const [row] = await logged(client, 'tnt_one', 1)
    const list = await (await client.get('/admin/requests')).json()
    expect(requestListSchema.safeParse(list).error).toBeUndefined()
    expect(row).toMatchObject({
      ...{ request_id: requestId, endpoint: `POST ${CHAT}`, client: 'curl/8.9', key_id: 'key_1', user_id: 'ada' },
      ...{ model: MODEL, status: 200, code: 'ok', cache: 'bypass', stream: false, continued: false },
      ...{ prompt_tokens: 5, completion_tokens: 2, cost_nano: 5 * 150 + 2 * 600 },
      deployment: { model: MODEL },
    })
    expect(Number(row?.total_ms)).toBeGreaterThanOrEqual(Number(row?.first_token_ms))
    for (const id of [String(row?.id), requestId]) {
      const details = await (await client.get(`/admin/requests/${id}`)).json<Shown>()
      expect(requestDetailsSchema.safeParse(details).error).toBeUndefined()
      expect(details).toMatchObject(row as Shown)
      const stages = details.stages as { name: string; ms: number }[]
      expect(stages.map(({ name }) => name)).toEqual([
        'received',
        'alias',
        'prompt',
        'filter',
        'cache',
        'admission',
        'model',
        'answer',
      ])
      expect(stages.reduce((sum, { ms }) => sum + ms, 0)).toBeLessThanOrEqual(Number(details.total_ms))
    }
    const { results } = await env.DB.prepare("SELECT * FROM request_log WHERE tenant_id = 'tnt_one'").all()
    expect(JSON.stringify(results)).not.toMatch(/secret|Hello|Hi/)
  })

  test('that was refused, that the cache answered, that a caller left and that a conversation took is in it, too', async () => {
    const client = tenantEdge('tnt_kinds')
    const model = fakeModel(wholeAnswer(...HELLO))
    const cold = { ...BODY, temperature: 0 }
    await client.post(CHAT, cold)
    await vi.waitUntil(async () => (await client.post(CHAT, cold)).headers.get('x-perigee-cache') === 'hit')
    await client.post(CHAT, { ...BODY, model: 'no-such-model' })
    await client.post('/chat', { message: 'Hi', user_id: 'u' })
    fakeModel((call) => {
      const live = liveAnswer(call)
      live.event(chunk({ delta: { content: 'x' }, token_ids: [7] }, { prompt_token_ids: [1, 2, 3] }))
      return live.response
    })
    const leaving = await client.post(CHAT, { ...BODY, stream: true })
    const reader = leaving.body?.getReader()
    await reader?.read()
    await reader?.cancel()
    const rows = await logged(client, 'tnt_kinds', 5)
    expect(model.calls.length).toBeGreaterThan(0)
    const by = (what: Shown) => rows.filter((row) => Object.entries(what).every(([name, value]) => row[name] === value))
    expect(by({ cache: 'miss', status: 200 })).toHaveLength(1)
    expect(by({ cache: 'hit', status: 200, cost_nano: null, completion_tokens: 2 })).not.toHaveLength(0)
    expect(by({ status: 404, code: 'model_not_found', model: 'no-such-model', deployment: null })).toHaveLength(1)
    expect(by({ endpoint: 'POST /chat', user_id: 'u', status: 200, completion_tokens: 2 })).toHaveLength(1)
    expect(by({ code: 'caller_gone', status: 499, stream: true, prompt_tokens: 3 })).toHaveLength(1)
  })

  test('that no deployment answered shows its calls and why each failed', async () => {
    const client = tenantEdge('tnt_failed')
    fakeModel(() => Response.json({ error: { message: 'no', type: 'invalid_request_error' } }, { status: 400 }))
    const response = await client.post(CHAT, BODY)
    const [row] = await logged(client, 'tnt_failed', 1)
    expect(row).toMatchObject({ status: response.status, code: await codeOf(response), deployment: null, attempts: 1 })
    const { calls } = await (await client.get(`/admin/requests/${row?.id}`)).json<{ calls: Shown[] }>()
    expect(calls).toMatchObject([{ kind: 'first', first_token_ms: null, code: row?.code }])
  })

  test('of an installation that keeps no log is not in it', async () => {
    const client = tenantEdge('tnt_off', { PERIGEE_REQUEST_LOG_DAYS: '0' })
    fakeModel(wholeAnswer(...HELLO))
    const append = vi.spyOn(env.REQUEST_LOG, 'getByName')
    expect((await client.post(CHAT, BODY)).status).toBe(200)
    await client.settled()
    expect(append).not.toHaveBeenCalled()
  })
})

describe('what the object has answered for', () => {
  test('comes to D1 though the object dies first', async () => {
    const object = env.REQUEST_LOG.getByName('tnt_killed')
    await object.append('tnt_killed', rowText(logRow()), 1)
    await evictDurableObject(object)
    await runDurableObjectAlarm(object)
    expect(await countOf('tnt_killed')).toBe(1)
  })

  test('is kept while D1 fails, and comes once though D1 had it and its answer was lost', async () => {
    const tenantId = 'tnt_outage'
    const object = env.REQUEST_LOG.getByName(tenantId)
    const rows = [1, 2, 3].map((number) => rowText(logRow({ id: rowId(1_795_510_800_123, '4f9c2a7b', number) })))
    await object.append(tenantId, rows.join(','), rows.length)
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    await runInDurableObject(object, async (instance) => {
      const lossy = {
        prepare: (sql: string) => ({
          bind: (...bindings: unknown[]) => ({
            async run() {
              await env.DB.prepare(sql)
                .bind(...bindings)
                .run()
              throw new Error('The answer was lost')
            },
          }),
        }),
      }
      // The class keeps its env where every Durable Object does.
      Object.defineProperty(instance, 'env', { value: { ...env, DB: lossy }, configurable: true })
      await instance.alarm()
      Object.defineProperty(instance, 'env', { value: env, configurable: true })
    })
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('request_log_delivery_failed'))
    await evictDurableObject(object)
    await runDurableObjectAlarm(object)
    expect(await countOf(tenantId)).toBe(3)
    expect(await outboxOf(tenantId)).toBe(0)
  })

  test('comes whole though it is more than one statement takes', async () => {
    const tenantId = 'tnt_many'
    const object = env.REQUEST_LOG.getByName(tenantId)
    for (let report = 0; report < 4; report++) {
      const rows = Array.from({ length: 400 }, (_, at) => rowText(logRow({ id: rowId(report, '4f9c2a7b', at) })))
      await object.append(tenantId, rows.join(','), rows.length)
    }
    // Old as they are, they are purged by the same alarm where it may: not on this object, whose setting says 30 days.
    await runInDurableObject(object, async (instance) => {
      const reports = await deliveredBy(instance)
      expect(reports.every((count) => count <= 500)).toBe(true)
      expect(reports.reduce((sum, count) => sum + count, 0)).toBe(1_600)
    })
    expect(await outboxOf(tenantId)).toBe(0)
  })
})

describe('rows that are older than they are kept', () => {
  test('are deleted, those that are not stay', async () => {
    const [tenantId, now] = ['tnt_old', Date.now()]
    const day = 86_400_000
    const ages = [0, 29, 31, 400]
    const rows = ages.map((age) => rowText(aged(now - age * day)))
    await deliverRows(env.DB, tenantId, `[${rows.join(',')}]`)
    const object = env.REQUEST_LOG.getByName(tenantId)
    await object.append(tenantId, rowText(aged(now - 1)), 1)
    await runDurableObjectAlarm(object)
    const { results } = await env.DB.prepare('SELECT started_at_ms FROM request_log WHERE tenant_id = ? ORDER BY id')
      .bind(tenantId)
      .all<{ started_at_ms: number }>()
    expect(results.map(({ started_at_ms }) => now - started_at_ms)).toEqual([29 * day, 1, 0])
    // Also without new requests: it will be looked at again.
    expect(await runInDurableObject(object, (_, state) => state.storage.getAlarm())).toBeGreaterThan(
      now + 23 * 3_600_000,
    )
  })
})

describe('searching', () => {
  const T = 1_795_510_800_000
  const ROWS: Partial<LogRow>[] = [
    { model: 'a', keyId: 'key_1', userId: 'ada', cache: 'miss' },
    { model: 'a', keyId: 'key_2', userId: 'bob', cache: 'hit' },
    { model: 'b', keyId: 'key_1', status: 429, code: 'rate_limited', cache: undefined },
    { model: 'b', keyId: 'key_2', status: 429, code: 'insufficient_quota', cache: undefined },
    { model: 'b', keyId: 'key_1', requestId: 'req_special', calls: [call('retry'), call('retry'), call('first')] },
    { model: 'a', keyId: 'key_1', status: 504, code: 'upstream_timeout', calls: [call('first'), call('continuation')] },
  ]

  function call(kind: 'first' | 'retry' | 'continuation') {
    return { deploymentId: 'd', model: 'm', kind, startedAtMs: T, firstTokenMs: 5, ms: 9 }
  }

  async function filled(tenantId: string) {
    const rows = ROWS.map((row, at) =>
      rowText(logRow({ id: rowId(T + at * 1_000, '4f9c2a7b', at), startedAtMs: T + at * 1_000, ...row })),
    )
    await deliverRows(env.DB, tenantId, `[${rows.join(',')}]`)
    const client = tenantEdge(tenantId)
    return async (query: string) => {
      const response = await client.get(`/admin/requests?${query}`)
      const { data, next } = await response.json<{ data: { started_at_ms: number }[]; next?: string }>()
      return { status: response.status, next, found: data?.map(({ started_at_ms }) => (started_at_ms - T) / 1_000) }
    }
  }

  test.each<[string, number[]]>([
    ['', [5, 4, 3, 2, 1, 0]],
    ['model=a', [5, 1, 0]],
    ['key_id=key_2', [3, 1]],
    ['user_id=ada', [0]],
    ['request_id=req_special', [4]],
    ['status=ok', [4, 1, 0]],
    ['status=error', [5, 3, 2]],
    ['status=429', [3, 2]],
    ['status=200', [4, 1, 0]],
    ['code=rate_limited', [2]],
    ['code=ok&model=b', [4]],
    ['cache=hit', [1]],
    ['attempts=2', [5, 4]],
    ['attempts=3', [4]],
    ['attempts=0', [5, 4, 3, 2, 1, 0]],
    ['attempts=2&status=error&key_id=key_1&model=a', [5]],
    ['user_id=bob&key_id=key_1', []],
    [`from=${T / 1_000 + 2}&to=${T / 1_000 + 4}`, [3, 2]],
    [`model=b&to=${T / 1_000 + 3}`, [2]],
  ])('by %s finds what fits, newest first', async (query, expected) => {
    const find = await filled('tnt_search')
    expect(await find(query)).toEqual({ status: 200, next: undefined, found: expected })
  })

  test('goes on page by page, each row once, though new ones come', async () => {
    const find = await filled('tnt_pages')
    const first = await find('limit=2&key_id=key_1')
    await deliverRows(
      env.DB,
      'tnt_pages',
      `[${rowText(logRow({ id: rowId(T + 60_000, '4f9c2a7b', 9), startedAtMs: T }))}]`,
    )
    const second = await find(`limit=2&key_id=key_1&after=${first.next}`)
    expect([first.found, second.found, second.next]).toEqual([[5, 4], [2, 0], undefined])
  })

  test.each(['status=teapot', 'status=302', 'cache=maybe', 'attempts=-1', 'from=yesterday', 'after=log_', 'user_id='])(
    'by %s is refused',
    async (query) => {
      const response = await tenantEdge('tnt_refused').get(`/admin/requests?${query}`)
      expect([response.status, await codeOf(response)]).toEqual([400, 'invalid_request'])
    },
  )

  test('shows every call of one request with its reason and timing', async () => {
    await filled('tnt_calls')
    const details = await (await tenantEdge('tnt_calls').get('/admin/requests/req_special')).json<{ calls: Shown[] }>()
    expect(details.calls).toEqual(
      ['retry', 'retry', 'first'].map((kind) => ({
        ...{
          deployment: { id: 'd', model: 'm' },
          kind,
          by: null,
          began_ms: -4_000,
          first_token_ms: 5,
          ms: 9,
          code: 'ok',
        },
      })),
    )
  })

  const EACH: Record<string, RequestQuery> = {
    request_log_by_request: { limit: 50, requestId: 'r', keyId: 'k' },
    request_log_tried_again: { limit: 50, attempts: 2, userId: 'u' },
    request_log_failed: { limit: 50, status: 'error', model: 'm' },
    request_log_by_user: { limit: 50, userId: 'u', cache: 'hit' },
    request_log_by_key: { limit: 50, keyId: 'k', status: 'ok', model: 'm', cache: 'hit' },
    request_log_by_model: { limit: 50, model: 'm', cache: 'hit' },
    request_log_by_cache: { limit: 50, cache: 'hit' },
    'PRIMARY KEY': { limit: 50, fromMs: 1, toMs: 2 },
  }
  test.each(Object.entries(EACH))('through %s scans no table and sorts no more than a page', async (index, query) => {
    const { sql, bindings } = listStatement('tnt_1', query)
    const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .bind(...bindings)
      .all<{ detail: string }>()
    const plan = results.map(({ detail }) => detail)
    expect(plan.join('\n')).toContain(index)
    expect(plan.filter((step) => /SCAN request_log|TEMP B-TREE/.test(step))).toEqual([])
  })
})

describe('usage', () => {
  test('is summed by user, and is a CSV for who asks for one', async () => {
    const client = tenantEdge('tnt_csv')
    const insert = `INSERT INTO usage VALUES ('tnt_csv', ?, 'req', 'key_1', ?, '=model', 10, 0, 5, 15, 100, 1, ?, 0)`
    for (const [id, user] of [
      ['a', 'ada'],
      ['b', 'bob, "jr"'],
      ['c', 'ada'],
      ['d', null],
    ] as const) {
      await env.DB.prepare(insert).bind(id, user, 1_795_510_800_000).run()
    }
    const { data } = await (await client.get('/admin/usage/sums?by=user')).json<{ data: Shown[] }>()
    expect(data.map(({ user, requests }) => [user, requests])).toEqual([
      ['ada', 2],
      ['', 1],
      ['bob, "jr"', 1],
    ])
    const csv = await client.get('/admin/usage/sums?by=user', { accept: 'text/csv' })
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(await csv.text()).toBe(
      'user,requests,prompt_tokens,cached_tokens,completion_tokens,cost_nano\r\nada,2,20,0,10,200\r\n,1,10,0,5,100\r\n"bob, ""jr""",1,10,0,5,100\r\n',
    )
    const page = await client.get('/admin/usage?format=csv&limit=3')
    expect((await page.text()).split('\r\n')[1]).toBe("d,req,key_1,,'=model,10,0,5,15,100,1,1795510800,0")
    const next = /^<(.*)>; rel="next"$/.exec(page.headers.get('link') ?? '')?.[1]
    expect((await (await client.get(String(next))).text()).split('\r\n')).toHaveLength(3)
    expect((await client.get('/admin/usage?format=json', { accept: 'text/csv' })).headers.get('content-type')).toMatch(
      /json/,
    )
  })
})

function aged(startedAtMs: number): LogRow {
  return logRow({ id: rowId(startedAtMs, '4f9c2a7b', 1), startedAtMs })
}

async function countOf(tenantId: string): Promise<number | null> {
  return env.DB.prepare('SELECT count(*) AS n FROM request_log WHERE tenant_id = ?').bind(tenantId).first<number>('n')
}

async function outboxOf(tenantId: string): Promise<unknown> {
  return runInDurableObject(
    env.REQUEST_LOG.getByName(tenantId),
    (_, state) => state.storage.sql.exec('SELECT count(*) AS n FROM outbox').one().n,
  )
}

/** Lets its alarm run over a D1 that counts: how many rows each statement brought. */
async function deliveredBy(instance: { alarm(): Promise<void> }): Promise<number[]> {
  const counts: number[] = []
  const db = {
    prepare: (sql: string) => ({
      bind: (...bindings: unknown[]) => ({
        async run() {
          if (sql.startsWith('INSERT')) counts.push((JSON.parse(String(bindings[1])) as unknown[]).length)
          return { meta: { changes: 0 } }
        },
        first: async () => null,
      }),
    }),
  }
  Object.defineProperty(instance, 'env', { value: { ...env, DB: db }, configurable: true })
  await instance.alarm()
  Object.defineProperty(instance, 'env', { value: env, configurable: true })
  return counts
}
