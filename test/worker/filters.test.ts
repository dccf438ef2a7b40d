/** Content filters as a caller and an administrator see them: rules in D1, completions under them, moderations, in workerd. */
import { env } from 'cloudflare:workers'
import OpenAI from 'openai'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { ChatResponse } from '../../src/contract/chat-completion.ts'
import type { Scope } from '../../src/contract/scopes.ts'
import { filterStore } from '../../src/filter/filter-store.ts'
import { compiledSets, tenantFilters } from '../../src/filter/tenant-filters.ts'
import { tenantModerations } from '../../src/filter/tenant-moderations.ts'
import {
  filterRuleListSchema,
  filterRuleViewSchema,
  moderationResponseSchema,
} from '../../src/http/openapi/filter-schemas.ts'
import { modelServer } from './conversation-model-server.ts'
import { codeOf, type Edge, edge, KEY, MODEL } from './edge-client.ts'
import { chunk, DONE, fakeModel, usageChunk, wholeAnswer } from './fake-model.ts'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

const STORE = filterStore({ db: env.DB, now: Date.now, changed: async () => undefined })

/** A tenant of the test's own, whose rules are read afresh for each request. */
function tenant(tenantId: string, scopes: readonly Scope[] = ['chat', 'filters:read', 'filters:write']): Edge {
  const sets = compiledSets(STORE.rulesOf)
  return edge({}, (ports) => ({
    keys: { find: async () => ({ tenantId, keyId: 'key_1', scopes }) },
    complete: { ...ports.complete, filters: tenantFilters(sets) },
    moderations: tenantModerations(sets),
  }))
}

function put(to: Edge, name: string, rule: object, headers: Record<string, string> = {}): Promise<Response> {
  return to.post(`/admin/filters/${name}`, rule, { method: 'PUT', headers })
}

const SWEAR = { action: 'mask', words: ['ass', '傻逼'] }

/** Names the offending field of a problem. */
async function problemOf(response: Response): Promise<[number, string | undefined, string | undefined]> {
  const { code, param } = await response.json<{ code?: string; param?: string }>()
  return [response.status, code, param]
}

describe('/admin/filters', () => {
  test('stores a rule, gives it back with its version as ETag, lists it without its words, and deletes it', async () => {
    const admin = tenant('tnt_admin')
    const stored = await put(admin, 'swear', { ...SWEAR, category: 'harassment' })
    expect(stored.status).toBe(200)
    expect(stored.headers.get('etag')).toBe('"1"')
    const view = {
      name: 'swear',
      version: 1,
      action: 'mask',
      category: 'harassment',
      on: 'both',
      match: 'auto',
      word_count: 2,
    }
    expect(await stored.json()).toMatchObject({ ...view, words: SWEAR.words })
    const read = await admin.get('/admin/filters/swear')
    expect(read.headers.get('etag')).toBe('"1"')
    const whole = await read.json()
    expect(filterRuleViewSchema.parse(whole)).toMatchObject({ ...view, words: SWEAR.words })
    await put(admin, 'personal', { action: 'redact', detect: ['email'], on: 'input' })
    const list = await (await admin.get('/admin/filters')).json<{ data: object[] }>()
    expect(filterRuleListSchema.parse(list)).toMatchObject({
      has_more: false,
      data: [{ name: 'personal', version: 2 }, view],
    })
    expect(JSON.stringify(list)).not.toContain('傻逼')
    const gone = await admin.fetch('/admin/filters/swear', {
      method: 'DELETE',
      headers: { authorization: `Bearer ${KEY}` },
    })
    expect(await gone.json()).toEqual({ id: 'swear', object: 'filter.deleted', deleted: true })
    expect(await problemOf(await admin.get('/admin/filters/swear'))).toEqual([404, 'resource_not_found', 'name'])
  })

  test('gives pages', async () => {
    const admin = tenant('tnt_pages')
    for (const name of ['a', 'b', 'c']) await put(admin, name, SWEAR)
    const first = await (await admin.get('/admin/filters?limit=2')).json<{ data: { name: string }[] }>()
    expect(first).toMatchObject({ data: [{ name: 'a' }, { name: 'b' }], has_more: true, next: 'b' })
    expect(await (await admin.get('/admin/filters?limit=2&after=b')).json()).toMatchObject({
      data: [{ name: 'c' }],
      has_more: false,
    })
    expect(await problemOf(await admin.get('/admin/filters?limit=0'))).toEqual([400, 'invalid_request', 'limit'])
  })

  test('writes only what the condition allows: nobody overwrites what he has not read', async () => {
    const admin = tenant('tnt_etags')
    expect((await put(admin, 'swear', SWEAR, { 'if-none-match': '*' })).status).toBe(200)
    const refused = await put(admin, 'swear', SWEAR, { 'if-none-match': '*' })
    expect(await problemOf(refused)).toEqual([412, 'stale_write', undefined])
    const changed = await put(admin, 'swear', { ...SWEAR, words: ['x'] }, { 'if-match': '"1"' })
    expect(changed.headers.get('etag')).not.toBe('"1"')
    expect(await codeOf(await put(admin, 'swear', SWEAR, { 'if-match': '"1"' }))).toBe('stale_write')
    expect(await codeOf(await put(admin, 'other', SWEAR, { 'if-match': '"1"' }))).toBe('stale_write')
    const remove = (match: string) =>
      admin.fetch('/admin/filters/swear', {
        method: 'DELETE',
        headers: { authorization: `Bearer ${KEY}`, 'if-match': match },
      })
    expect(await codeOf(await remove('"1"'))).toBe('stale_write')
    expect(await codeOf(await remove('W/"1"'))).toBe('invalid_request')
    expect((await remove(changed.headers.get('etag') ?? '')).status).toBe(200)
  })

  test.each([
    ['action', { words: ['x'] }],
    ['action', { action: 'shout', words: ['x'] }],
    ['words', { action: 'mask', words: [] }],
    ['words.1', { action: 'mask', words: ['x', ''] }],
    ['words.0', { action: 'mask', words: ['x'.repeat(65)] }],
    ['words.1', { action: 'mask', words: ['x', ' \u200b '] }],
    ['words', { action: 'mask', words: Array.from({ length: 20_001 }, () => 'x') }],
    ['words', { action: 'mask', words: Array.from({ length: 16_000 }, (_, index) => `${index}`.padEnd(64, 'x')) }],
    ['detect.0', { action: 'redact', detect: ['face'] }],
    ['category', { action: 'mask', words: ['x'], category: 'Big' }],
    [undefined, { action: 'mask' }],
    ['colour', { action: 'mask', words: ['x'], colour: 'red' }],
  ])('refuses a wrong rule by the field: %s', async (param, rule) => {
    expect(await problemOf(await put(tenant('tnt_wrong'), 'rule', rule))).toEqual([400, 'invalid_request', param])
  })

  test('refuses a wrong name, more rules and more words than a tenant may have', async () => {
    const admin = tenant('tnt_full')
    expect(await problemOf(await put(admin, 'Big', SWEAR))).toEqual([400, 'invalid_request', 'name'])
    const words = (count: number) => ({
      action: 'mask',
      words: Array.from({ length: count }, (_, index) => `w${index}`),
    })
    for (const name of ['a', 'b']) expect((await put(admin, name, words(20_000))).status).toBe(200)
    expect(await codeOf(await put(admin, 'c', words(10_001)))).toBe('invalid_request')
    expect((await put(admin, 'c', words(10_000))).status).toBe(200)
    // To replace a rule needs no more room than it has.
    expect((await put(admin, 'b', words(20_000))).status).toBe(200)
    for (let rule = 4; rule <= 64; rule++) await put(admin, `r${rule}`, { action: 'redact', detect: ['email'] })
    expect(await codeOf(await put(admin, 'one-more', { action: 'redact', detect: ['email'] }))).toBe('invalid_request')
  })

  test('shows and changes nothing of another tenant', async () => {
    await put(tenant('tnt_one'), 'swear', SWEAR)
    const other = tenant('tnt_two')
    expect((await other.get('/admin/filters/swear')).status).toBe(404)
    expect(await (await other.get('/admin/filters')).json()).toMatchObject({ data: [] })
    const remove = await other.fetch('/admin/filters/swear', {
      method: 'DELETE',
      headers: { authorization: `Bearer ${KEY}` },
    })
    expect(remove.status).toBe(404)
    expect((await tenant('tnt_one').get('/admin/filters/swear')).status).toBe(200)
  })

  test('needs its scopes', async () => {
    const reader = tenant('tnt_scopes', ['filters:read'])
    expect(await codeOf(await put(reader, 'swear', SWEAR))).toBe('permission_denied')
    expect(await codeOf(await tenant('tnt_scopes', ['filters:write']).get('/admin/filters'))).toBe('permission_denied')
    expect((await reader.get('/admin/filters')).status).toBe(200)
  })

  test('a write that was done, and only that, tells isolates to read again', async () => {
    const admin = tenant('tnt_told')
    const told = async () =>
      (await env.DB.prepare("SELECT subject FROM change WHERE kind = 'filter' AND tenant_id = 'tnt_told'").all())
        .results.length
    await put(admin, 'swear', SWEAR)
    await put(admin, 'swear', SWEAR, { 'if-match': '"99"' })
    expect(await told()).toBe(1)
  })
})

describe('a completion under rules', () => {
  const chat = (to: Edge, content: unknown, more: object = {}) =>
    to.post('/v1/chat/completions', { model: MODEL, messages: [{ role: 'user', content }], ...more })
  const answers = (...texts: string[]) =>
    fakeModel(
      wholeAnswer(
        chunk({ delta: { role: 'assistant', content: '' } }, { prompt_token_ids: [1, 2] }),
        ...texts.map((content, index) => chunk({ delta: { content }, token_ids: [10 + index] })),
        chunk({ finish_reason: 'stop' }),
        usageChunk(),
        DONE,
      ),
    )

  test('is masked on both sides, and flagged', async () => {
    const to = tenant('tnt_masks')
    await put(to, 'swear', SWEAR)
    const model = answers('you a', 's', 's, ', '傻', '逼')
    const response = await chat(to, 'An ass, a class')
    expect(model.lastCall().body.messages).toEqual([{ role: 'user', content: 'An ***, a class' }])
    const { choices, usage } = await response.json<ChatResponse>()
    expect(choices[0]).toMatchObject({
      message: { content: 'you ***, **' },
      perigee: {
        flags: [
          { rule: 'swear', action: 'mask', on: 'input', count: 1 },
          { rule: 'swear', action: 'mask', on: 'output', count: 2 },
        ],
      },
    })
    expect(usage).toMatchObject({ completion_tokens: 2 })
  })

  test('is masked in a stream, whose last event of the choice is flagged, and tells no token ids', async () => {
    const to = tenant('tnt_streams')
    await put(to, 'swear', SWEAR)
    answers('you a', 's', 's')
    const text = await (await chat(to, 'Hi', { stream: true, return_token_ids: true })).text()
    expect(text).toContain('"flags":[{"rule":"swear","action":"mask","on":"output","count":1}]')
    expect(text).not.toContain('"token_ids":[1')
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
    const said = [...text.matchAll(/"content":"([^"]*)"/g)].map((match) => match[1]).join('')
    expect(said).toBe('you ***')
  })

  test('is refused when a rule blocks what was sent, and costs nothing', async () => {
    const to = tenant('tnt_blocks')
    await put(to, 'bomb', { action: 'block', words: ['bomb'] })
    const model = answers('never')
    const response = await chat(to, [
      { type: 'text', text: 'a bo' },
      { type: 'text', text: 'mb' },
    ])
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({
      error: {
        code: 'content_blocked',
        message: 'The rule bomb of the content filter forbids this request.',
        param: 'messages',
      },
    })
    expect(model.calls).toEqual([])
  })

  test('ends with content_filter when a rule blocks what the model says', async () => {
    const to = tenant('tnt_ends')
    await put(to, 'bomb', { action: 'block', words: ['bomb'] })
    answers('Take a bo', 'mb and')
    const { choices, usage } = await (await chat(to, 'Hi')).json<ChatResponse>()
    expect(choices[0]).toMatchObject({ finish_reason: 'content_filter', message: { content: 'Take a ' } })
    expect(usage).toEqual({ prompt_tokens: 2, completion_tokens: 2, total_tokens: 4 })
  })

  test('by /generate has its flags, too, and a refusal names the field of its caller', async () => {
    const to = tenant('tnt_generates')
    await put(to, 'swear', SWEAR)
    await put(to, 'bomb', { action: 'block', words: ['bomb'] })
    const piece = (text: string, finish_reason: 'stop' | null) => ({
      id: 'cmpl-1',
      object: 'text_completion',
      created: 1,
      model: MODEL,
      choices: [{ index: 0, text, finish_reason, logprobs: null }],
    })
    const model = fakeModel(wholeAnswer(piece(' an a', null), piece('ss', 'stop'), usageChunk(), DONE))
    const answer = await (await to.post('/generate', { text: 'ass' })).json()
    expect(model.lastCall().body.prompt).toBe('***')
    expect(answer).toMatchObject({
      generated_text: ' an ***',
      flags: [{ on: 'input' }, { on: 'output', rule: 'swear' }],
    })
    expect(await problemOf(await to.post('/generate', { text: 'bomb' }))).toEqual([400, 'content_blocked', 'text'])
  })

  test('in a stored conversation is masked on both sides, and refused where a rule blocks', async () => {
    const to = tenant('tnt_converses')
    await put(to, 'swear', SWEAR)
    await put(to, 'bomb', { action: 'block', words: ['bomb'] })
    const model = modelServer()
    model.replies = [{ text: 'you ass' }]
    const turn = (message: string) => to.post('/chat', { message, user_id: 'u' })
    expect(await (await turn('an ass')).json()).toMatchObject({
      response: 'you ***',
      flags: [
        { on: 'input', rule: 'swear' },
        { on: 'output', rule: 'swear' },
      ],
    })
    expect(model.completions().at(-1)?.body.messages).toEqual([{ role: 'user', content: 'an ***' }])
    vi.spyOn(console, 'log').mockImplementation(() => undefined)
    expect(await problemOf(await turn('a bomb'))).toMatchObject([400, 'content_blocked', 'message'])
  })

  test('of token ids is refused: rules cannot read them', async () => {
    const to = tenant('tnt_ids')
    const ids = () => to.post('/v1/completions', { model: MODEL, prompt: [1, 2, 3] })
    await put(to, 'swear', SWEAR)
    const refused = await (await ids()).json<{ error: object }>()
    expect(refused.error).toMatchObject({ code: 'invalid_request', param: 'prompt' })
  })

  test('is refused while nobody knows the rules, also for the very first request', async () => {
    const broken = {
      ...env.DB,
      batch: () => Promise.reject(new Error('D1 is down')),
      prepare: env.DB.prepare.bind(env.DB),
    }
    const cold = await chat(edge({ DB: broken } as never), 'an ass')
    expect([cold.status, await codeOf(cold)]).toEqual([503, 'store_unavailable'])
    expect(await STORE.rulesOf('tnt_down')).toBeUndefined()
  })

  test('is filtered by the rules that were known while D1 is down', async () => {
    let isDown = false
    const DB = new Proxy(env.DB, {
      get(target, name) {
        if (isDown && name === 'batch') return () => Promise.reject(new Error('D1 is down'))
        const value = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    await STORE.put('tnt_default', 'swear', { action: 'mask', on: 'both', match: 'auto', words: ['ass'] }, 'any')
    const wired = edge({ DB } as never)
    const model = answers('ok')
    expect((await chat(wired, 'an ass')).status).toBe(200)
    isDown = true
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 })
    // Nobody can be asked whether it is still so.
    vi.spyOn(env.CONFIG, 'getByName').mockImplementation(() => {
      throw new Error('The object is away.')
    })
    expect((await chat(wired, 'an ass')).status).toBe(200)
    expect(model.lastCall().body.messages).toEqual([{ role: 'user', content: 'an ***' }])
    vi.useRealTimers()
    vi.restoreAllMocks()
    await STORE.delete('tnt_default', 'swear', 'any')
  })

  test('goes by the rules that the wiring remembers', async () => {
    const wired = edge()
    await STORE.put('tnt_default', 'swear', { action: 'mask', on: 'both', match: 'auto', words: ['ass'] }, 'any')
    const model = answers('ok')
    await chat(wired, 'an ass')
    expect(model.lastCall().body.messages).toEqual([{ role: 'user', content: 'an ***' }])
    await STORE.delete('tnt_default', 'swear', 'any')
  })
})

describe('POST /v1/moderations', () => {
  test("answers OpenAI's own client: OpenAI's categories, and those of the rules", async () => {
    const to = tenant('tnt_moderations')
    await put(to, 'swear', { ...SWEAR, category: 'harassment' })
    await put(to, 'personal', { action: 'redact', detect: ['email', 'phone'] })
    await put(to, 'bomb', { action: 'block', words: ['bomb'], category: 'violence', on: 'output' })
    const client = new OpenAI({
      baseURL: 'https://edge.test/v1',
      apiKey: KEY,
      maxRetries: 0,
      fetch: (url, init) => to.fetch(new URL(String(url)).pathname, init as RequestInit),
    })
    const { model, results } = await client.moderations.create({ input: ['an ass, a@b.com', 'a bomb', 'a class'] })
    expect(model).toBe('perigee-rules')
    expect(results.map(({ flagged }) => flagged)).toEqual([true, true, false])
    expect(results[0]?.categories).toMatchObject({ harassment: true, personal: true, violence: false, sexual: false })
    expect(results[1]?.category_scores).toMatchObject({ violence: 1, harassment: 0 })
    const parts = await client.moderations.create({
      input: [
        { type: 'text', text: 'bo' },
        { type: 'text', text: 'mb' },
      ],
    })
    expect(parts.results.map(({ categories }) => categories.violence)).toEqual([true])
    moderationResponseSchema.parse(await (await to.post('/v1/moderations', { input: 'x' })).json())
  })

  test('finds nothing for a tenant without rules, and reads no images', async () => {
    const to = tenant('tnt_silent')
    const answer = await (await to.post('/v1/moderations', { input: 'an ass', model: 'omni-moderation-latest' })).json()
    expect(answer).toMatchObject({ results: [{ flagged: false }] })
    const image = { type: 'image_url', image_url: { url: 'https://x.test' } }
    expect(await codeOf(await to.post('/v1/moderations', { input: [image] }))).toBe('invalid_request')
    expect(await codeOf(await to.post('/v1/moderations', {}))).toBe('invalid_request')
  })
})
