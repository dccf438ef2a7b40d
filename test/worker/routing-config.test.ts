/** The routing document as who runs the installation changes it and as callers feel it: over the real D1, in workerd. */
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { RoutingConfig } from '../../src/contract/routing-config.ts'
import {
  deletedDeploymentSchema,
  deploymentListSchema,
  deploymentViewSchema,
  modelAliasListSchema,
  modelAliasSchema,
  routingPlanSchema,
  routingVersionListSchema,
  wholeRoutingVersionSchema,
} from '../../src/http/openapi/routing-schemas.ts'
import { modelListSchema } from '../../src/http/openapi/schemas.ts'
import { settingsConfig } from '../../src/registry/settings-config.ts'
import { codeOf, type Edge, edge, KEY, MODEL } from './edge-client.ts'
import { fakeModel, HELLO, wholeAnswer } from './fake-model.ts'

const SECRET = 'sk-never-to-be-shown'
const A = { adapter: 'openai', url: 'https://a.example.com', model: 'm-a', secret: 'UPSTREAM_A' } as const
const B = { adapter: 'openai', url: 'https://b.example.com', model: 'm-b', headers: { 'x-org': 'ours' } } as const
const CONFIG: RoutingConfig = { deployments: { a: A, b: B }, models: { chat: { targets: [{ deployment: 'a' }] } } }
const OF_SETTINGS = settingsConfig({ inferenceUrl: 'http://127.0.0.1:8080', model: MODEL })

/** An isolate of its own, as long as it is not asked for more than some seconds. */
const isolate = () => edge({ UPSTREAM_A: SECRET })
let api: Edge

beforeEach(async () => {
  await env.DB.batch([
    env.DB.prepare('DELETE FROM routing_version'),
    env.DB.prepare("INSERT INTO change (kind, tenant_id, subject, at_ms) VALUES ('routing', '', 'all', ?)").bind(
      Date.now(),
    ),
  ])
  api = isolate()
})
afterEach(() => vi.unstubAllGlobals())

const put = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  api.post(path, body, { method: 'PUT', headers })
const remove = (path: string) => api.fetch(path, { method: 'DELETE', headers: { authorization: `Bearer ${KEY}` } })

async function whole(response: Response) {
  const body = await response.clone().json()
  return { status: response.status, etag: response.headers.get('etag'), ...wholeRoutingVersionSchema.parse(body) }
}

type Problem = { code: string; detail: string; errors?: { param: string; detail: string }[] }

describe('/admin/config', () => {
  test('is what the settings say until something is applied, and that is version 0', async () => {
    const read = await whole(await api.get('/admin/config'))
    expect(read).toMatchObject({ etag: '"0"', version: 0, created_at: null, created_by: null, config: OF_SETTINGS })
    // The next edit starts from it: nothing that was served is gone by another thing.
    expect((await put('/admin/routes/a', A)).status).toBe(200)
    const edited = await whole(await api.get('/admin/config'))
    expect(edited.config).toEqual({ ...OF_SETTINGS, deployments: { ...OF_SETTINGS.deployments, a: A } })
  })

  test('each change is a version, with who made it, when, why and what changed; the secret’s value is nowhere', async () => {
    const before = Math.floor(Date.now() / 1_000)
    const put1 = await whole(await put('/admin/config?comment=first', CONFIG))
    expect(put1).toMatchObject({ status: 200, etag: '"1"', version: 1, comment: 'first', config: CONFIG })
    expect(put1.created_by).toEqual({ key_id: 'key_default' })
    expect(put1.created_at).toBeGreaterThanOrEqual(before)
    const put2 = await put('/admin/config', {
      ...CONFIG,
      deployments: { ...CONFIG.deployments, a: { ...A, model: 'm-2' } },
    })
    const change = { path: 'deployments.a.model', change: 'changed', before: 'm-a', after: 'm-2' }
    expect(await whole(put2)).toMatchObject({ version: 2, changes: 1, diff: [change] })
    const list = await api.get('/admin/config/versions')
    const { data } = routingVersionListSchema.parse(await list.clone().json())
    expect(data.map(({ version, comment }) => [version, comment])).toEqual([
      [2, ''],
      [1, 'first'],
    ])
    expect(await whole(await api.get('/admin/config/versions/1'))).toMatchObject({ version: 1, config: CONFIG })
    expect((await whole(await api.get('/admin/config/versions/0'))).config).toEqual(OF_SETTINGS)
    for (const none of ['3', '-1', 'x', '1.0']) {
      expect((await api.get(`/admin/config/versions/${none}`)).status, none).toBe(404)
    }
    for (const response of [put2, list, await api.get('/admin/config'), await api.get('/admin/routes')]) {
      expect(await response.text()).not.toContain(SECRET)
    }
  })

  test('a list of versions goes on where it ended', async () => {
    for (const model of ['1', '2', '3']) await put('/admin/routes/a', { ...A, model })
    const first = routingVersionListSchema.parse(await (await api.get('/admin/config/versions?limit=2')).json())
    expect(first).toMatchObject({ has_more: true, next: '2', data: [{ version: 3 }, { version: 2 }] })
    const rest = await api.get('/admin/config/versions?limit=2&after=2')
    expect(await rest.json()).toMatchObject({ has_more: false, data: [{ version: 1 }] })
  })

  test('what changes nothing makes no version', async () => {
    await put('/admin/config', CONFIG)
    // Fields in another order are the same.
    const same = await whole(await put('/admin/config', { models: CONFIG.models, deployments: { b: B, a: A } }))
    expect(same).toMatchObject({ status: 200, version: 1 })
    expect(await env.DB.prepare('SELECT count(*) AS n FROM routing_version').first('n')).toBe(1)
  })

  test('a bad one is refused whole with every reason, and what holds goes on', async () => {
    await put('/admin/config', CONFIG)
    const bad = {
      deployments: { a: { ...A, secret: 'UPSTREAM_B' }, c: { ...B, url: 'https://10.0.0.1' } },
      models: { chat: { targets: [{ deployment: 'a' }, { deployment: 'b' }] } },
    }
    const refused = await put('/admin/config', bad)
    const problem = await refused.json<Problem>()
    expect([refused.status, problem.code]).toEqual([400, 'invalid_request'])
    expect(problem.detail).toMatch(
      /^Nothing was changed: deployments\.a\.secret must name .* There are 2 other mistakes/,
    )
    expect(problem.errors?.map(({ param }) => param)).toEqual([
      'deployments.a.secret',
      'deployments.c.url',
      'models.chat.targets.1.deployment',
    ])
    expect(await whole(await api.get('/admin/config'))).toMatchObject({ version: 1, config: CONFIG })
  })

  test('all that the schema finds wrong is told, too, and names the key that is not allowed', async () => {
    const bad = {
      deployments: {
        a: { ...A, weight: 1 },
        '-b': A,
        c: { ...A, secret: 'PERIGEE_TOKEN_SECRET' },
        d: { adapter: 'openai' },
      },
      models: { chat: { targets: [] } },
    }
    const { errors = [] } = await (await put('/admin/config', bad)).json<Problem>()
    expect(Object.fromEntries(errors.map(({ param, detail }) => [param, detail]))).toEqual({
      'deployments.a.weight': 'is not known here',
      'deployments.-b': 'must be letters, digits, dots, dashes and underscores, at most 64',
      'deployments.c.secret': 'must name a secret of the Worker, as UPSTREAM_OPENAI',
      'deployments.d.model': 'is missing; it must be text',
      'models.chat.targets': 'must have at least 1 item',
    })
  })

  test('a plan says what would change and what is wrong, and writes nothing', async () => {
    const plan = async (body: unknown) => {
      const response = await api.post('/admin/config/plan', body)
      expect(response.status).toBe(200)
      return routingPlanSchema.parse(await response.json())
    }
    await put('/admin/config', CONFIG)
    const more = { ...CONFIG, deployments: { ...CONFIG.deployments, c: B } }
    expect(await plan(more)).toMatchObject({
      version: 1,
      valid: true,
      errors: [],
      changes: 1,
      diff: [{ path: 'deployments.c' }],
    })
    expect(await plan(CONFIG)).toMatchObject({ valid: true, changes: 0 })
    expect(await plan({ ...CONFIG, deployments: { a: A } })).toMatchObject({ valid: true, changes: 1 })
    expect(await plan({ ...CONFIG, deployments: { b: B } })).toMatchObject({
      valid: false,
      errors: [{ param: 'models.chat.targets.0.deployment' }],
      changes: 1,
    })
    expect(await plan({ models: {} })).toMatchObject({ version: 1, valid: false, errors: [{ param: 'deployments' }] })
    expect(await whole(await api.get('/admin/config'))).toMatchObject({ version: 1 })
  })

  test('who changes another version than he read is told, and of two who change it at once neither is lost', async () => {
    await put('/admin/config', CONFIG)
    await put('/admin/routes/c', B)
    const stale = await put('/admin/config', CONFIG, { 'if-match': '"1"' })
    expect([stale.status, await codeOf(stale)]).toEqual([412, 'stale_write'])
    expect((await put('/admin/routes/c', A, { 'if-match': '"1"' })).status).toBe(412)
    expect((await put('/admin/config', CONFIG, { 'if-none-match': '*' })).status).toBe(412)
    const rollback = { version: 1 }
    expect((await api.post('/admin/config/rollback', rollback, { headers: { 'if-match': '"1"' } })).status).toBe(412)
    const at = await Promise.all(['d', 'e', 'f', 'g'].map(async (id) => (await put(`/admin/routes/${id}`, B)).status))
    expect(at).toEqual([200, 200, 200, 200])
    const { config, version } = await whole(await api.get('/admin/config'))
    expect([version, Object.keys(config.deployments).sort()]).toEqual([6, ['a', 'b', 'c', 'd', 'e', 'f', 'g']])
    expect((await put('/admin/routes/c', A, { 'if-match': '"6"' })).status).toBe(200)
  })

  test('a rollback makes an earlier document the next version, is checked as any other, and goes back to the settings', async () => {
    await put('/admin/config', CONFIG)
    await put('/admin/config', { ...CONFIG, deployments: { a: A } })
    const back = await whole(await api.post('/admin/config/rollback', { version: 1, comment: 'b is needed' }))
    expect(back).toMatchObject({ status: 200, version: 3, rolled_back_to: 1, comment: 'b is needed', config: CONFIG })
    const missing = await api.post('/admin/config/rollback', { version: 9 })
    expect([missing.status, await codeOf(missing)]).toEqual([404, 'resource_not_found'])
    expect(await whole(await api.post('/admin/config/rollback', { version: 0 }))).toMatchObject({
      version: 4,
      rolled_back_to: 0,
      config: OF_SETTINGS,
    })
    // Its secret is gone since.
    const poor = edge({ UPSTREAM_A: undefined })
    const refused = await poor.post('/admin/config/rollback', { version: 1 })
    expect([refused.status, (await refused.json<Problem>()).errors]).toMatchObject([
      400,
      [{ param: 'deployments.a.secret' }],
    ])
  })

  test('the last 1,000 versions are kept', async () => {
    const insert = `INSERT INTO routing_version (number, document, diff, comment, created_by_key, created_at_ms)
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
      SELECT i, ?, '{"count":0,"changes":[]}', '', 'key_1', 1 FROM n`
    await env.DB.prepare(insert).bind(JSON.stringify(CONFIG)).run()
    expect(await whole(await put('/admin/config', { ...CONFIG, deployments: { a: A } }))).toMatchObject({
      version: 1_001,
    })
    const kept = env.DB.prepare('SELECT min(number) AS first, count(*) AS n FROM routing_version')
    expect(await kept.first()).toEqual({ first: 2, n: 1_000 })
  })
})

describe('/admin/routes and /admin/models', () => {
  test('edit one deployment or alias of the document, under the same checks', async () => {
    const a = await put('/admin/routes/a', A)
    expect([a.headers.get('etag'), deploymentViewSchema.parse(await a.json())]).toEqual([
      '"1"',
      { id: 'a', object: 'deployment', ...A },
    ])
    const alias = encodeURIComponent('acme/chat')
    const model = await put(`/admin/models/${alias}`, { targets: [{ deployment: 'a' }] })
    expect(modelAliasSchema.parse(await model.json())).toMatchObject({ id: 'acme/chat', object: 'model_alias' })
    const dangling = await put('/admin/models/other', { targets: [{ deployment: 'nobody' }] })
    expect([dangling.status, (await dangling.json<Problem>()).errors]).toMatchObject([
      400,
      [{ param: 'models.other.targets.0.deployment' }],
    ])
    const used = await remove('/admin/routes/a')
    expect([used.status, (await used.json<Problem>()).errors]).toMatchObject([
      400,
      [{ param: 'models.acme/chat.targets.0.deployment' }],
    ])
    expect(modelAliasSchema.parse(await (await api.get(`/admin/models/${alias}`)).json()).id).toBe('acme/chat')
    expect((await remove(`/admin/models/${alias}`)).status).toBe(200)
    expect(deletedDeploymentSchema.parse(await (await remove('/admin/routes/a')).json()).id).toBe('a')
    for (const path of ['/admin/routes/a', `/admin/models/${alias}`, '/admin/routes/constructor']) {
      expect([(await api.get(path)).status, (await remove(path)).status], path).toEqual([404, 404])
    }
  })

  test('page in the order of names', async () => {
    await put('/admin/config', {
      deployments: { c: B, a: A, b: B },
      models: { y: CONFIG.models.chat, x: CONFIG.models.chat },
    })
    const first = deploymentListSchema.parse(await (await api.get('/admin/routes?limit=2')).json())
    expect(first).toMatchObject({ has_more: true, next: 'b', data: [{ id: 'a' }, { id: 'b' }] })
    expect(await (await api.get('/admin/routes?after=b')).json()).toMatchObject({
      has_more: false,
      data: [{ id: 'c' }],
    })
    const models = modelAliasListSchema.parse(await (await api.get('/admin/models')).json())
    expect(models.data.map(({ id }) => id)).toEqual(['x', 'y'])
  })

  test('a name that no document could have is refused', async () => {
    for (const path of [
      '/admin/routes/-a',
      '/admin/routes/__proto__',
      '/admin/models/%20a',
      `/admin/models/${'m'.repeat(257)}`,
    ]) {
      expect((await put(path, path.includes('routes') ? A : { targets: [{ deployment: 'a' }] })).status, path).toBe(400)
    }
  })
})

describe('callers', () => {
  const ask = (model: string) =>
    api.post('/v1/chat/completions', { model, messages: [{ role: 'user', content: 'Hi' }] })

  test('get a model as soon as it is applied, from its endpoint, with its own key and headers and no other’s', async () => {
    const endpoint = fakeModel(wholeAnswer(...HELLO))
    expect(await codeOf(await ask('chat'))).toBe('model_not_found')
    await put('/admin/config', CONFIG)
    expect((await ask('chat')).status).toBe(200)
    expect([endpoint.lastCall().url, endpoint.lastCall().body.model]).toEqual([
      'https://a.example.com/v1/chat/completions',
      'm-a',
    ])
    expect(endpoint.lastCall().headers.get('authorization')).toBe(`Bearer ${SECRET}`)
    await put('/admin/models/chat', { targets: [{ deployment: 'b' }] })
    expect((await ask('chat')).status).toBe(200)
    expect(endpoint.lastCall().url).toBe('https://b.example.com/v1/chat/completions')
    expect(endpoint.lastCall().headers.get('authorization')).toBeNull()
    expect(endpoint.lastCall().headers.get('x-org')).toBe('ours')
    // The model of the settings is not in this document.
    expect(await codeOf(await ask(MODEL))).toBe('model_not_found')
  })

  test('the server of the settings is sent its key, also beside models that were added; no other address is', async () => {
    const key = 'the key of the inference server'
    api = edge({ PERIGEE_INFERENCE_KEY: key, PERIGEE_ALLOW_INTERNAL_URLS: 'on' })
    const endpoint = fakeModel(wholeAnswer(...HELLO))
    expect(
      (await put('/admin/routes/near', { adapter: 'inference', url: 'http://127.0.0.1:8081', model: 'm' })).status,
    ).toBe(200)
    expect((await put('/admin/models/near', { targets: [{ deployment: 'near' }] })).status).toBe(200)
    await ask(MODEL)
    expect(endpoint.lastCall().headers.get('authorization')).toBe(`Bearer ${key}`)
    await ask('near')
    expect([endpoint.lastCall().url, endpoint.lastCall().headers.get('authorization')]).toEqual([
      'http://127.0.0.1:8081/v1/chat/completions',
      null,
    ])
  })

  test('of a deployment whose secret is gone are told that it is set up wrongly, and the other models go on', async () => {
    await put('/admin/config', { ...CONFIG, models: { ...CONFIG.models, other: { targets: [{ deployment: 'b' }] } } })
    api = edge({ UPSTREAM_A: undefined })
    const endpoint = fakeModel(wholeAnswer(...HELLO))
    const refused = await ask('chat')
    expect([refused.status, await codeOf(refused)]).toEqual([502, 'upstream_misconfigured'])
    expect([(await ask('other')).status, endpoint.calls.length]).toEqual([200, 1])
  })

  test('see in /v1/models what they may use, and what it can do', async () => {
    const config = {
      deployments: { a: { ...A, capabilities: ['tools', 'vision'], context_tokens: 8_192 }, b: B },
      models: {
        chat: { targets: [{ deployment: 'a' }], created: 1_790_000_000 },
        plain: { targets: [{ deployment: 'b' }] },
        theirs: { targets: [{ deployment: 'b' }], tenants: ['tnt_other'] },
      },
    }
    expect((await put('/admin/config', config)).status).toBe(200)
    const { data } = modelListSchema.parse(await (await api.get('/v1/models')).json())
    expect(data.map(({ id, created, perigee }) => [id, created, perigee])).toEqual([
      ['chat', 1_790_000_000, { capabilities: ['tools', 'vision'], context_tokens: 8_192 }],
      ['plain', 1_764_000_000, { capabilities: ['json_schema', 'logprobs', 'n', 'tools'], context_tokens: null }],
    ])
    expect((await api.get('/v1/models/theirs')).status).toBe(404)
    expect(await codeOf(await ask('theirs'))).toBe('model_not_found')
  })
})
