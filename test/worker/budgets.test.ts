/** Budgets with the real ledger object and D1: what a request meets, what is logged, what the administration sees, and what evictions cannot break. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { BudgetSet } from '../../src/budgets/budget.ts'
import { leasedBudgets } from '../../src/budgets/leased-budgets.ts'
import type { LedgerReport } from '../../src/budgets/ledger-wire.ts'
import { deliverUsage } from '../../src/budgets/usage-store.ts'
import type { Demand, Principal } from '../../src/chat/ports.ts'
import type { Scope } from '../../src/contract/scopes.ts'
import {
  budgetListSchema,
  budgetSchema,
  priceListSchema,
  usageListSchema,
  usageSumListSchema,
} from '../../src/http/openapi/budget-schemas.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { codeOf, edge, MODEL } from './edge-client.ts'
import { chunk, DONE, fakeModel, HELLO, liveAnswer, usageChunk, wholeAnswer } from './fake-model.ts'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

const ALL: readonly Scope[] = ['chat', 'limits:read', 'limits:write', 'usage:read', 'tenants:read', 'tenants:write']
const BODY = { model: MODEL, messages: [{ role: 'user', content: 'Hi' }] }

/** An edge whose one key belongs to this tenant. */
function tenantEdge(tenantId: string, scopes: readonly Scope[] = ALL, keyId = 'key_1') {
  const principal: Principal = { tenantId, keyId, scopes }
  const knownKeys = { has: async () => true }
  const client = edge({}, () => ({ keys: { find: async () => principal }, knownKeys }))
  const send =
    (method: string) =>
    (path: string, body?: unknown, headers: Record<string, string> = {}) =>
      client.post(path, body === undefined ? '' : body, {
        method,
        headers,
        ...(body === undefined ? { body: null } : {}),
      })
  return {
    ...client,
    put: send('PUT'),
    remove: send('DELETE'),
    chat: (more: object = {}) => client.post('/v1/chat/completions', { ...BODY, ...more }),
  }
}

type Listed = { data: Record<string, unknown>[]; has_more: boolean; next?: string }

/** The alarm brings usage to D1. Background reports take their moment. */
async function usageOf(tenantId: string, count: number): Promise<Record<string, unknown>[]> {
  return vi.waitUntil(
    async () => {
      await runDurableObjectAlarm(env.BUDGET.getByName(tenantId))
      const { results } = await env.DB.prepare('SELECT * FROM usage WHERE tenant_id = ? ORDER BY started_at_ms, id')
        .bind(tenantId)
        .all()
      return results.length >= count ? results : undefined
    },
    { timeout: 10_000, interval: 50 },
  )
}

describe('a tenant without a budget', () => {
  test('waits for no ledger, and its usage is in D1 once, with what it cost', async () => {
    const client = tenantEdge('tnt_free')
    await client.put(`/admin/prices/${MODEL}`, { input: 150_000, cached_input: 75_000, output: 600_000 })
    fakeModel(wholeAnswer(...HELLO))
    const response = await client.chat({ user: 'ada' })
    expect(response.status).toBe(200)
    const [row] = await usageOf('tnt_free', 1)
    expect(row).toMatchObject({
      ...{ key_id: 'key_1', user_id: null, model: MODEL, request_id: response.headers.get('x-request-id') },
      ...{ prompt_tokens: 5, completion_tokens: 2, charged_tokens: 7, cached_tokens: 0, price_version: 1 },
      cost_nano: 5 * 150 + 2 * 600,
    })
    // A batch whose answer from D1 was lost is delivered again.
    const { tenant_id, id } = row as { tenant_id: string; id: string }
    await deliverUsage(env.DB, [{ ...ENTRY, tenantId: tenant_id, id, cost: 999 }])
    expect(await usageOf('tnt_free', 1)).toEqual([row])
  })

  test('has 2,500 answers of a second in D1 by two alarms, the second of which follows at once', async () => {
    const object = env.BUDGET.getByName('tnt_busy')
    for (let sequence = 1; sequence <= 5; sequence++) {
      const usage = Array.from({ length: 500 }, (_, index) => ({
        entry: { ...ENTRY, tenantId: 'tnt_busy', id: `${sequence}-${index}` },
        held: [],
      }))
      await object.exchange(report({ isolateId: 'busy', sequence, usage }))
    }
    await runDurableObjectAlarm(object)
    const next = await runInDurableObject(object, (_, state) => state.storage.getAlarm())
    // None is set any more where it has fired meanwhile.
    expect(next ?? 0).toBeLessThanOrEqual(Date.now())
    await usageOf('tnt_busy', 2_500)
  })

  test('has its usage kept while D1 fails', async () => {
    const object = env.BUDGET.getByName('tnt_outage')
    await object.exchange(report({ usage: [{ entry: { ...ENTRY, tenantId: 'tnt_outage' }, held: [] }] }))
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    await runInDurableObject(object, async (instance) => {
      const broken = {
        ...env,
        DB: {
          prepare: () => {
            throw new Error('D1 is down')
          },
        },
      }
      // The class keeps its env where every Durable Object does.
      Object.defineProperty(instance, 'env', { value: broken, configurable: true })
      await instance.alarm()
      Object.defineProperty(instance, 'env', { value: env, configurable: true })
    })
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('usage_delivery_failed'))
    await evictDurableObject(object)
    expect(await usageOf('tnt_outage', 1)).toHaveLength(1)
  })
})

describe('a budget', () => {
  test('is charged what was used, and refuses when it is spent: which one, and until when', async () => {
    const client = tenantEdge('tnt_spent')
    expect((await client.put('/admin/budgets/day-tokens', { limit: 1_000_000 })).status).toBe(200)
    expect((await client.put('/admin/budgets/month-tokens-key_1', { limit: 1_400 })).status).toBe(200)
    const model = fakeModel((call) =>
      call.url.endsWith('/tokenize')
        ? Response.json({ count: 5, max_model_len: 8_192 })
        : wholeAnswer(...ANSWER(1_200))(call),
    )
    expect((await client.chat()).status).toBe(200)
    expect((await client.chat()).status).toBe(200)
    const refused = await vi.waitUntil(
      async () => {
        const response = await client.chat({ max_tokens: 300 })
        return response.status === 429 ? response : undefined
      },
      { timeout: 10_000 },
    )
    const { error } = await refused.json<{ error: { code: string; message: string; type: string } }>()
    expect(error.code).toBe('insufficient_quota')
    expect(error.message).toMatch(
      /^The key's budget of tokens for the month .* It resets at \d{4}-\d\d-01T00:00:00\.000Z\.$/,
    )
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    // Problem details name it for programs.
    const problem = await (await client.post('/generate', { text: 'One' })).json<Record<string, string | number>>()
    expect(problem).toMatchObject({ code: 'insufficient_quota', budget: 'month-tokens-key_1' })
    expect(new Date(Number(problem.resets_at) * 1_000).toISOString()).toMatch(/-01T00:00:00\.000Z$/)
    expect(model.calls.filter(({ url }) => url.endsWith('/completions')).length).toBeLessThan(20)
    const state = await (await client.get('/admin/budgets/month-tokens-key_1')).json<Record<string, number>>()
    expect(Number(state.spent)).toBeLessThanOrEqual(1_400)
  })

  test('ends an answer that outgrows it with the finish reason length and a code, and charges no more than it has', async () => {
    const client = tenantEdge('tnt_cut')
    await client.put('/admin/budgets/day-tokens', { limit: 200 })
    fakeModel((call) =>
      call.url.endsWith('/tokenize')
        ? Response.json({ count: 5, max_model_len: 8_192 })
        : wholeAnswer(
            ...PIECES(100, 5),
            usageChunk({ prompt_tokens: 5, completion_tokens: 500, total_tokens: 505 }),
            DONE,
          )(call),
    )
    const response = await client.chat()
    const body = await response.json<{ choices: { finish_reason: string; stop_reason: string }[]; usage: object }>()
    expect(body.choices[0]).toMatchObject({ finish_reason: 'length', stop_reason: 'insufficient_quota' })
    const [row] = await usageOf('tnt_cut', 1)
    expect(Number(row?.charged_tokens)).toBeLessThanOrEqual(200)
  }, 20_000)

  test('pays for a stream whose caller hangs up what was generated, and nothing for a model that failed', async () => {
    const client = tenantEdge('tnt_hangup')
    await client.put('/admin/budgets/day-tokens', { limit: 1_000_000 })
    fakeModel(() => Response.json({ error: { message: 'busy', type: 'overloaded_error' } }, { status: 503 }))
    expect((await client.chat()).status).toBe(503)
    fakeModel((call) => {
      const live = liveAnswer(call)
      live.event(chunk({ delta: { role: 'assistant', content: '' } }, { prompt_token_ids: [1, 2, 3] }))
      for (const id of [7, 8]) live.event(chunk({ delta: { content: 'x' }, token_ids: [id] }))
      return live.response
    })
    const response = await client.chat({ stream: true })
    const reader = response.body?.getReader()
    let text = ''
    while ((text.match(/"x"/g) ?? []).length < 2) text += new TextDecoder().decode((await reader?.read())?.value)
    await reader?.cancel()
    expect(await usageOf('tnt_hangup', 1)).toMatchObject([
      { prompt_tokens: 3, completion_tokens: 2, charged_tokens: 5 },
    ])
    const { spent } = await (await client.get('/admin/budgets/day-tokens')).json<{ spent: number }>()
    expect(spent).toBe(5)
  })

  test('is charged by a conversation’s object, too', async () => {
    const client = tenantEdge('tnt_turns')
    await client.put('/admin/budgets/day-tokens', { limit: 1_000_000 })
    fakeModel(wholeAnswer(...HELLO))
    expect((await client.post('/chat', { message: 'Hi', user_id: 'u' })).status).toBe(200)
    expect(await usageOf('tnt_turns', 1)).toMatchObject([{ prompt_tokens: 5, completion_tokens: 2 }])
  })

  test('is closed when its ledger cannot be asked', async () => {
    const budgets = isolate('tnt_unreachable', { budgets: [budget(1_000)], version: 1 }, async () => {
      throw new Error('unreachable')
    })
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    await expect(budgets.reserve(demand('tnt_unreachable'))).rejects.toMatchObject({ code: 'store_unavailable' })
  })
})

describe('the real ledger object', () => {
  test('never lets more be spent, while it is evicted, aborted, and answers are lost; nothing stays reserved', async () => {
    const tenantId = 'tnt_evicted'
    const object = () => env.BUDGET.getByName(tenantId)
    const random = seededRandom(7)
    const set: BudgetSet = { version: 1, budgets: [budget(20_000)] }
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    const isolates = Array.from({ length: 4 }, () =>
      isolate(tenantId, set, async (report) => {
        if (random.chance(0.05)) throw new Error('lost')
        const answer = await object().exchange(report)
        if (random.chance(0.05)) throw new Error('answer lost')
        return answer
      }),
    )
    const disturbances = (async () => {
      for (let at = 0; at < 6; at++) {
        await scaledSleep(2_000)
        if (at % 3 === 2) await runInDurableObject(object(), (_, state) => state.abort('by the test')).catch(() => {})
        // It may be gone already.
        else await evictDurableObject(object()).catch(() => {})
      }
    })()
    let used = 0
    let short = 0
    await Promise.all(
      Array.from({ length: 100 }, async (_, at) => {
        await scaledSleep(random.below(10_000))
        const budgets = isolates[at % isolates.length]
        const held = await budgets?.reserve(demand(tenantId)).catch(() => undefined)
        if (!held) {
          short += 1
          return
        }
        const total = 20 + random.below(600)
        let completion = 0
        let verdict: string = 'paid'
        while (completion < total && verdict === 'paid') {
          completion += Math.min(10, total - completion)
          const covered = held.cover({ promptTokens: 50, completionTokens: completion })
          verdict = covered === true ? 'paid' : await covered.catch(() => 'unpaid')
          await scaledSleep(200)
        }
        if (verdict !== 'paid') short += 1
        used += 50 + completion
        held.settle({ prompt_tokens: 50, completion_tokens: completion, total_tokens: 50 + completion })
      }),
    )
    await disturbances
    const account = (await vi.waitUntil(
      async () => {
        const [use] = await object().use([`day-tokens@${Math.floor(startMs / 86_400_000) * 86_400_000}`])
        return use?.reserved === 0 ? use : undefined
      },
      { timeout: 15_000, interval: 100 },
    )) as { spent: number; presumed: number }
    expect(short).toBeGreaterThan(0)
    expect(account.presumed).toBe(0)
    expect(account.spent).toBeLessThanOrEqual(20_000)
    expect(account.spent).toBeGreaterThan(0.9 * 20_000)
    expect(used).toBeGreaterThanOrEqual(account.spent)
    expect(used - account.spent).toBeLessThan(1_000)
  }, 60_000)

  test('answers a report that comes again with the same grants', async () => {
    const object = env.BUDGET.getByName('tnt_again')
    const need = { amounts: { 'day-tokens@0': 40 }, unproven: false }
    const first = report({ rules: { version: 1, budgets: [budget(100)] }, needs: [need] })
    const answer = await object.exchange(first)
    await evictDurableObject(object)
    expect(await object.exchange(first)).toEqual(answer)
    expect(await object.use(['day-tokens@0'])).toEqual([{ spent: 0, presumed: 0, reserved: 40 }])
  })
})

describe('the administration', () => {
  test('keeps budgets by name and version, and pages them', async () => {
    const client = tenantEdge('tnt_admin')
    const made = await client.put('/admin/budgets/day-cost', { limit: 5_000_000_000 })
    expect(made.headers.get('etag')).toBe('"1"')
    expect(await made.json()).toMatchObject({
      ...{ id: 'day-cost', object: 'budget', period: 'day', unit: 'cost', key_id: null, version: 1 },
      ...{ limit: 5_000_000_000, spent: 0, presumed: 0, reserved: 0, left: 5_000_000_000 },
    })
    const changed = await client.put('/admin/budgets/day-cost', { limit: 6 }, { 'if-match': '"1"' })
    expect(await changed.json()).toMatchObject({ limit: 6, version: 2 })
    for (const condition of [{ 'if-match': '"1"' }, { 'if-none-match': '*' }]) {
      const stale = await client.put('/admin/budgets/day-cost', { limit: 7 }, condition)
      expect([stale.status, await codeOf(stale)]).toEqual([412, 'stale_write'])
      const kept = await client.remove('/admin/budgets/day-cost', undefined, condition)
      expect([kept.status, await codeOf(kept)]).toEqual([412, 'stale_write'])
    }
    // What no version could be called is malformed, as everywhere.
    for (const etag of ['W/"2"', '*', '2']) {
      const malformed = await client.put('/admin/budgets/day-cost', { limit: 7 }, { 'if-match': etag })
      expect([malformed.status, await codeOf(malformed)]).toEqual([400, 'invalid_request'])
    }
    await client.put('/admin/budgets/day-tokens-key_1', { limit: 10 })
    const first = await (await client.get('/admin/budgets?limit=1')).json<Listed>()
    expect(first).toMatchObject({ data: [{ id: 'day-cost' }], has_more: true, next: 'day-cost' })
    const second = await (await client.get('/admin/budgets?limit=1&after=day-cost')).json<Listed>()
    expect(second).toMatchObject({ data: [{ id: 'day-tokens-key_1', key_id: 'key_1' }], has_more: false })
    const removed = await client.remove('/admin/budgets/day-cost', undefined, { 'if-match': '"2"' })
    expect(await removed.json()).toEqual({ id: 'day-cost', object: 'budget.deleted', deleted: true })
    expect((await client.get('/admin/budgets/day-cost')).status).toBe(404)
    expect((await client.remove('/admin/budgets/day-cost')).status).toBe(404)
  })

  test.each([
    ['/admin/budgets/week-tokens', { limit: 1 }],
    ['/admin/budgets/day-tokens', { limit: 1.5 }],
    ['/admin/budgets/day-tokens', { limit: -1 }],
    ['/admin/budgets/day-tokens', { limit: 2 ** 53 }],
    ['/admin/budgets/day-tokens', { limit: 1, more: 1 }],
    [`/admin/prices/${MODEL}`, { input: 1, output: 0.5 }],
    [`/admin/prices/${MODEL}`, { input: 1, cached_input: 2, output: 1 }],
  ])('refuses PUT %s %o', async (path, body) => {
    const response = await tenantEdge('tnt_bounds').put(path, body)
    expect([response.status, await codeOf(response)]).toEqual([400, 'invalid_request'])
  })

  test('lets a tenant bound its keys and not itself, and see no other tenant', async () => {
    const own: readonly Scope[] = ['limits:read', 'limits:write', 'usage:read']
    const client = tenantEdge('tnt_own', own)
    expect((await client.put('/admin/budgets/day-tokens-key_9', { limit: 5 })).status).toBe(200)
    const itself = await client.put('/admin/budgets/day-tokens', { limit: 5 })
    expect([itself.status, await codeOf(itself)]).toEqual([403, 'permission_denied'])
    for (const path of ['/admin/budgets', '/admin/budgets/day-tokens', '/admin/usage', '/admin/usage/sums?by=day']) {
      const other = await client.get(`${path}${path.includes('?') ? '&' : '?'}tenant_id=tnt_admin`)
      expect([other.status, await codeOf(other)]).toEqual([403, 'permission_denied'])
    }
    const price = await client.put(`/admin/prices/${MODEL}`, { input: 1, output: 1 })
    expect([price.status, await codeOf(price)]).toEqual([403, 'permission_denied'])
    const all = await tenantEdge('tnt_operator').get('/admin/budgets?tenant_id=tnt_own')
    expect(await all.json()).toMatchObject({ data: [{ id: 'day-tokens-key_9' }] })
  })

  test('keeps every version of a price', async () => {
    const client = tenantEdge('tnt_prices')
    for (const output of [10, 20]) await client.put(`/admin/prices/${MODEL}`, { input: 5, output })
    const { data } = await (await client.get(`/admin/prices/${MODEL}?limit=2`)).json<Listed>()
    expect(data.map(({ output }) => output)).toEqual([20, 10])
    expect(data[0]).toMatchObject({ input: 5, cached_input: 5 })
    const [current] = (await (await client.get('/admin/prices')).json<Listed>()).data
    expect(current).toMatchObject({ model: MODEL, output: 20, version: data[0]?.version })
    const unknown = await client.put('/admin/prices/nope', { input: 5, output: 1 })
    expect([unknown.status, await codeOf(unknown)]).toEqual([404, 'model_not_found'])
    expect((await client.get('/admin/prices/nope')).status).toBe(404)
  })

  test('lists usage newest first in pages, filters it, and sums it by day, model and key', async () => {
    const day = Date.UTC(2026, 10, 24)
    const entry = (at: number, more: object) => ({
      ...ENTRY,
      tenantId: 'tnt_list',
      id: `u${at}`,
      startedAtMs: day + at,
      ...more,
    })
    await deliverUsage(env.DB, [
      entry(1, { keyId: 'key_a' }),
      entry(1_000, { keyId: 'key_b', model: 'm2', cost: 7, userId: 'ada' }),
      entry(86_400_001, { keyId: 'key_b', cost: 1 }),
    ])
    const client = tenantEdge('tnt_list')
    // Answers are as the document says.
    const document = async (path: string) => (await client.get(path)).json()
    usageListSchema.parse(await document('/admin/usage?limit=1'))
    for (const by of ['day', 'model', 'key']) usageSumListSchema.parse(await document(`/admin/usage/sums?by=${by}`))
    priceListSchema.parse(await document('/admin/prices'))
    await client.put('/admin/budgets/day-tokens', { limit: 100 })
    budgetSchema.parse(await document('/admin/budgets/day-tokens'))
    budgetListSchema.parse(await document('/admin/budgets'))
    const first = await (await client.get('/admin/usage?limit=2')).json<Listed>()
    expect(first.data.map(({ id }) => id)).toEqual(['u86400001', 'u1000'])
    const rest = await (await client.get(`/admin/usage?limit=2&after=${first.next}`)).json<Listed>()
    expect(rest).toMatchObject({ data: [{ id: 'u1', key_id: 'key_a' }], has_more: false })
    const ids = async (query: string) =>
      (await (await client.get(`/admin/usage?${query}`)).json<Listed>()).data.map(({ id }) => id)
    expect(await ids('key_id=key_a')).toEqual(['u1'])
    expect(await ids('model=m2')).toEqual(['u1000'])
    expect(await ids('user_id=ada')).toEqual(['u1000'])
    expect(await ids(`from=${day / 1_000 + 86_400}`)).toEqual(['u86400001'])
    expect(await ids(`to=${day / 1_000 + 1}`)).toEqual(['u1'])
    const sums = async (by: string) => (await (await client.get(`/admin/usage/sums?by=${by}`)).json<Listed>()).data
    expect(await sums('day')).toMatchObject([
      { day: '2026-11-25', requests: 1, cost_nano: 1 },
      { day: '2026-11-24', requests: 2, cost_nano: 10, prompt_tokens: 4, completion_tokens: 6 },
    ])
    expect((await sums('key')).map(({ key, cost_nano }) => [key, cost_nano])).toEqual([
      ['key_b', 8],
      ['key_a', 3],
    ])
    expect((await sums('model')).map(({ model }) => model)).toEqual(['m2', MODEL])
    const cut = await document('/admin/usage/sums?by=day&limit=1')
    expect(cut).toMatchObject({ data: [{ day: '2026-11-25' }], has_more: true })
    for (const query of ['by=hour', 'from=yesterday', 'limit=0', 'after=x', 'more=1']) {
      const wrong = await client.get(`/admin/usage?${query}`)
      expect([query, wrong.status, await codeOf(wrong)]).toEqual([query, 400, 'invalid_request'])
    }
  })
})

const ENTRY = {
  ...{ id: 'entry-1', tenantId: 't', requestId: 'req_1', keyId: 'key_1', model: MODEL },
  ...{ promptTokens: 2, cachedTokens: 0, completionTokens: 3, chargedTokens: 5, cost: 3, priceVersion: 0 },
  ...{ startedAtMs: 1_764_000_000_000, endedAtMs: 1_764_000_001_000 },
}

function report(more: Partial<LedgerReport>): LedgerReport {
  return { isolateId: 'i1', sequence: 1, usage: [], returned: {}, wanted: {}, needs: [], ...more }
}

function budget(limit: number) {
  return { id: 'day-tokens', period: 'day', unit: 'tokens', limit } as const
}

function demand(tenantId: string): Demand {
  return {
    principal: { tenantId, keyId: 'key_1', scopes: [] },
    ...{
      alias: MODEL,
      requestId: 'req_1',
      request: { kind: 'chat', body: { model: MODEL, messages: [{ role: 'user', content: 'Hi' }] } },
    },
  }
}

/** Time runs so many times faster in these isolates, for they wait on real calls. */
const SCALE = 10
const startMs = Date.now()
const scaledSleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms / SCALE))

function isolate(
  tenantId: string,
  set: BudgetSet,
  exchange: (report: LedgerReport) => ReturnType<Parameters<typeof leasedBudgets>[0]['exchange']>,
) {
  const budgets = leasedBudgets({
    budgetsOf: () => set,
    prices: () => new Map(),
    exchange: (_, report) => exchange(report),
    countPrompt: async () => 50,
    waitUntil: () => {},
    nowMs: () => startMs + (Date.now() - startMs) * SCALE,
    sleep: scaledSleep,
    newIsolateId: () => crypto.randomUUID(),
  })
  return { reserve: async (of: Demand) => budgets.reserve(of), tenantId }
}

/** A chat answer of so many tokens at once. */
function ANSWER(tokens: number): (string | object)[] {
  return [
    chunk(
      { delta: { content: 'x' }, token_ids: Array.from({ length: tokens }, () => 7) },
      { prompt_token_ids: [1, 2, 3, 4, 5] },
    ),
    chunk({ finish_reason: 'stop', token_ids: [] }),
    usageChunk({ prompt_tokens: 5, completion_tokens: tokens, total_tokens: 5 + tokens }),
    DONE,
  ]
}

function PIECES(count: number, tokens: number): object[] {
  return Array.from({ length: count }, (_, at) =>
    chunk(
      {
        delta: { content: 'x' },
        token_ids: Array.from({ length: tokens }, () => 7),
        ...(at === count - 1 ? { finish_reason: 'stop' as const } : {}),
      },
      at === 0 ? { prompt_token_ids: [1, 2, 3, 4, 5] } : {},
    ),
  )
}
