/** Tenants and API keys by their routes: who may make, see, change and use which. The real D1 and Config object, in workerd. */
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { makeApiKey } from '../../src/auth/api-key.ts'
import { keyAdmin } from '../../src/auth/key-admin.ts'
import { KEYS_PER_TENANT_MAX, keyStore } from '../../src/auth/key-store.ts'
import type { Principal } from '../../src/chat/ports.ts'
import type { KeyView, NewKeyView } from '../../src/contract/keys.ts'
import type { Role } from '../../src/contract/roles.ts'
import { SCOPES } from '../../src/contract/scopes.ts'
import type { TenantView } from '../../src/contract/tenants.ts'
import {
  keyListSchema,
  keySchema,
  newKeySchema,
  tenantListSchema,
  tenantSchema,
} from '../../src/http/openapi/admin-schemas.ts'
import { problemSchema } from '../../src/http/openapi/schemas.ts'
import { edge, KEY, MODEL } from './edge-client.ts'

/** Two isolates. */
const here = edge()
const elsewhere = edge()

afterEach(() => {
  vi.restoreAllMocks()
})

type List<Item> = { data: Item[]; has_more: boolean; next?: string }

type Called = { status: number; body: Record<string, unknown>; code: unknown }

async function call(key: string, method: string, path: string, body?: object, more: RequestInit = {}): Promise<Called> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...more.headers }
  const response = await here.fetch(path, { method, ...(body ? { body: JSON.stringify(body) } : {}), ...more, headers })
  const parsed = await response.json<Record<string, unknown>>()
  if (response.status >= 400 && !path.startsWith('/v1')) expect(problemSchema.safeParse(parsed).success).toBe(true)
  return {
    status: response.status,
    body: parsed,
    code: parsed.code ?? (parsed.error as { code: string } | undefined)?.code,
  }
}

let tenants = 0
async function newTenant(name = `Tenant ${tenants++} of ${Date.now()}`): Promise<TenantView> {
  const { status, body } = await call(KEY, 'POST', '/admin/tenants', { name })
  expect(status).toBe(201)
  expect(tenantSchema.safeParse(body).success).toBe(true)
  return body as TenantView
}

/** By the operator, in a new tenant unless told. */
async function newKey(input: object = {}, tenantId?: string): Promise<NewKeyView> {
  const tenant = tenantId ?? (await newTenant()).id
  const { status, body } = await call(KEY, 'POST', `/admin/keys?tenant_id=${tenant}`, { name: 'a key', ...input })
  expect(status, JSON.stringify(body)).toBe(201)
  expect(newKeySchema.safeParse(body).success).toBe(true)
  return body as NewKeyView
}

const models = (key: string, headers: Record<string, string> = {}, at = here) =>
  at.fetch('/v1/models', { headers: { authorization: `Bearer ${key}`, ...headers } }).then(({ status }) => status)

describe('a key', () => {
  test('works as soon as it was made, in every isolate, also one that was asked for it before', async () => {
    const key = await newKey()
    expect(await models(key.key)).toBe(200)
    expect(await models(key.key, {}, elsewhere)).toBe(200)
  })

  test('is stored as its hash alone, and shown once', async () => {
    const { key, ...made } = await newKey()
    const { body } = await call(KEY, 'GET', `/admin/keys/${made.id}?tenant_id=${made.tenant_id}`)
    expect(body).toEqual(made)
    expect(keySchema.safeParse(body).success).toBe(true)
    const rows = await env.DB.prepare('SELECT * FROM api_key').all()
    expect(JSON.stringify(rows.results)).not.toContain(key.slice(3, 20))
  })

  test('that was revoked works no more, at once here and within 10 s elsewhere', async () => {
    const key = await newKey()
    expect([await models(key.key), await models(key.key, {}, elsewhere)]).toEqual([200, 200])
    const revoked = await call(KEY, 'DELETE', `/admin/keys/${key.id}?tenant_id=${key.tenant_id}`)
    expect(revoked.body).toMatchObject({ status: 'revoked', revoked_at: expect.any(Number) })
    expect(await models(key.key)).toBe(401)
    const now = Date.now()
    vi.spyOn(Date, 'now').mockImplementation(() => now + 10_001)
    expect(await models(key.key, {}, elsewhere)).toBe(401)
    const again = await call(KEY, 'DELETE', `/admin/keys/${key.id}?tenant_id=${key.tenant_id}`)
    expect(again.body).toEqual(revoked.body)
    const patched = await call(KEY, 'PATCH', `/admin/keys/${key.id}?tenant_id=${key.tenant_id}`, { name: 'x' })
    expect([patched.status, patched.code]).toEqual([400, 'invalid_request'])
  })

  test('that has expired works no more, at the request and not at the next change', async () => {
    const now = Date.now()
    const key = await newKey({ expires_at: Math.floor(now / 1_000) + 60 })
    expect(await models(key.key)).toBe(200)
    vi.spyOn(Date, 'now').mockImplementation(() => now + 60_000)
    expect(await models(key.key)).toBe(401)
    expect((await call(KEY, 'GET', `/admin/keys/${key.id}?tenant_id=${key.tenant_id}`)).body.status).toBe('expired')
  })

  test('that is rotated has a new text; the old one ends with the overlap, the one before at once', async () => {
    const now = Date.now()
    const first = await newKey()
    const path = `/admin/keys/${first.id}/rotate?tenant_id=${first.tenant_id}`
    expect(await models(first.key)).toBe(200)
    const second = (await call(KEY, 'POST', path, { overlap_seconds: 3_600 })).body as NewKeyView
    expect(second).toMatchObject({ id: first.id, rotated_at: expect.any(Number) })
    expect((second.previous_valid_until ?? 0) - now / 1_000).toBeGreaterThan(3_598)
    expect([await models(first.key), await models(second.key)]).toEqual([200, 200])

    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now + 3_601_000)
    expect([await models(first.key), await models(second.key)]).toEqual([401, 200])
    clock.mockImplementation(() => now + 10_000)
    expect(await models(first.key)).toBe(200)
    const third = (await call(KEY, 'POST', path)).body as NewKeyView
    expect(third.previous_valid_until).toBeNull()
    expect([await models(first.key), await models(second.key), await models(third.key)]).toEqual([401, 401, 200])
  })

  test('is only good for the pages and networks it was made for', async () => {
    const key = await newKey({ allowed_origins: ['https://app.example.com'], allowed_networks: ['192.0.2.0/24'] })
    const right = { origin: 'https://app.example.com', 'cf-connecting-ip': '192.0.2.7' }
    expect(await models(key.key, right)).toBe(200)
    for (const wrong of [
      { origin: 'https://evil.example.com' },
      { 'cf-connecting-ip': '192.0.3.7' },
      { 'cf-connecting-ip': '' },
    ]) {
      const refused = await call(key.key, 'GET', '/v1/models', undefined, { headers: { ...right, ...wrong } })
      expect([refused.status, refused.code]).toEqual([403, 'origin_not_allowed'])
    }
    const path = `/admin/keys/${key.id}?tenant_id=${key.tenant_id}`
    expect((await call(KEY, 'PATCH', path, { allowed_origins: null, allowed_networks: null })).status).toBe(200)
    expect(await models(key.key)).toBe(200)
  })

  test('with models neither uses nor sees others', async () => {
    const [one, other] = [await newKey({ models: [MODEL] }), await newKey({ models: ['other'] })]
    expect((await call(one.key, 'GET', '/v1/models')).body.data).toHaveLength(1)
    expect((await call(other.key, 'GET', '/v1/models')).body.data).toEqual([])
    expect((await call(other.key, 'GET', `/v1/models/${MODEL}`)).status).toBe(404)
    const chat = { model: MODEL, messages: [{ role: 'user', content: 'Hi' }] }
    expect((await call(other.key, 'POST', '/v1/chat/completions', chat)).code).toBe('model_not_found')
  })

  test('of a suspended or deleted tenant works no more, and of a resumed one again', async () => {
    const key = await newKey()
    const path = `/admin/tenants/${key.tenant_id}`
    expect(await models(key.key)).toBe(200)
    expect((await call(KEY, 'PATCH', path, { status: 'suspended' })).body.status).toBe('suspended')
    expect(await models(key.key)).toBe(401)
    expect((await call(KEY, 'PATCH', path, { name: `${key.tenant_id} renamed` })).body.status).toBe('suspended')
    expect(await models(key.key)).toBe(401)
    await call(KEY, 'PATCH', path, { status: 'active' })
    expect(await models(key.key)).toBe(200)
    expect((await call(KEY, 'DELETE', path)).body).toEqual({
      id: key.tenant_id,
      object: 'tenant.deleted',
      deleted: true,
    })
    expect(await models(key.key)).toBe(401)
    expect((await call(KEY, 'GET', path)).code).toBe('resource_not_found')
    expect((await call(KEY, 'POST', `/admin/keys?tenant_id=${key.tenant_id}`, { name: 'x' })).code).toBe(
      'resource_not_found',
    )
  })
})

describe('what is set for one key', () => {
  test('is refused for a key that is not there, another tenant’s among them', async () => {
    const [key, other] = [await newKey(), await newKey()]
    const by = `?tenant_id=${key.tenant_id}`
    const limit = (subject: string, query = by) =>
      call(KEY, 'POST', `/admin/limits${query}`, { dimension: 'key', subject, kind: 'streams', amount: 3 })
    const budget = (id: string, query = by) => call(KEY, 'PUT', `/admin/budgets/day-tokens-${id}${query}`, { limit: 9 })
    expect([(await limit(key.id)).status, (await budget(key.id)).status]).toEqual([201, 200])
    for (const missing of ['key_1', other.id, 'key_default', 'usr_1']) {
      expect(await limit(missing)).toMatchObject({ status: 400, body: { code: 'invalid_request', param: 'subject' } })
      expect(await budget(missing)).toMatchObject({ status: 404, body: { code: 'resource_not_found', param: 'id' } })
    }
    // The operator's own key is of the settings, and in no table.
    expect((await budget('key_default', '')).status).toBe(200)
    expect((await call(KEY, 'DELETE', '/admin/budgets/day-tokens-key_default')).status).toBe(200)
    const email = `${key.id.toLowerCase()}@example.com`
    const user = await call(KEY, 'POST', `/admin/users${by}`, { email, password: 'correct horse battery' })
    expect((await budget(String(user.body.id))).status).toBe(200)
  })
})

describe('a tenant that is deleted', () => {
  /** What was metered names the first two; versions only go on; `change` tells isolates; a provider is the installation's. */
  const KEPT = ['api_key', 'usage', 'budget_set', 'filter_version', 'change', 'identity_provider']

  test('leaves nothing of what it was told: in no table that names a tenant', async () => {
    const owner = await newKey({ role: 'owner' })
    const { tenant_id: tenantId } = owner
    const by = `?tenant_id=${tenantId}`
    const message = { role: 'user', content: 'Hi' }
    const made = [
      await call(KEY, 'PUT', `/admin/budgets/day-tokens${by}`, { limit: 1 }),
      await call(KEY, 'PUT', `/admin/filters/words${by}`, { action: 'mask', words: ['x'] }),
      await call(KEY, 'POST', `/admin/limits${by}`, { dimension: 'key', kind: 'streams', amount: 1 }),
      await call(owner.key, 'POST', '/v1/prompts', { id: 'greet', messages: [message] }),
      await call(owner.key, 'POST', '/admin/users', {
        email: `${tenantId}@example.com`,
        password: 'correct horse battery',
      }),
    ]
    expect(made.map(({ status }) => status)).toEqual([200, 200, 201, 201, 201])
    const { results } = await env.DB.prepare(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%tenant_id TEXT%'`,
    ).all<{ name: string }>()
    const tables = results.map(({ name }) => name).filter((name) => !KEPT.includes(name))
    const left = async () => {
      const counts: Record<string, number> = {}
      for (const table of tables) {
        const query = env.DB.prepare(`SELECT count(*) AS n FROM ${table} WHERE tenant_id = ?`)
        counts[table] = (await query.bind(tenantId).first<number>('n')) ?? 0
      }
      return counts
    }
    const before = await left()
    expect(Object.keys(before).filter((table) => before[table])).toEqual(
      expect.arrayContaining([
        'budget',
        'filter_rule',
        'limit_rule',
        'prompt',
        'prompt_label',
        'prompt_version',
        'user',
      ]),
    )
    expect((await call(KEY, 'DELETE', `/admin/tenants/${tenantId}`)).status).toBe(200)
    expect(Object.values(await left()).every((count) => count === 0)).toBe(true)
    const { results: told } = await env.DB.prepare("SELECT kind FROM change WHERE tenant_id = ? AND subject = ''")
      .bind(tenantId)
      .all<{ kind: string }>()
    const kinds = new Set(told.map(({ kind }) => kind))
    expect([...kinds].sort()).toEqual(['budget', 'filter', 'identity_provider', 'key', 'limit', 'prompt', 'session'])
  })
})

describe('nobody gives what he does not have', () => {
  const asRole = (role: Role, tenantId?: string) => newKey({ role }, tenantId)

  test('a role cannot make, widen or take over a key that has more', async () => {
    const owner = await asRole('owner')
    const own = owner.tenant_id
    const writer = await newKey({ scopes: ['keys:read', 'keys:write', 'chat'] }, own)
    for (const more of [
      { role: 'admin' },
      { role: 'owner' },
      { scopes: ['users:write'] },
      { scopes: ['chat', 'usage:read'] },
    ]) {
      expect((await call(writer.key, 'POST', '/admin/keys', { name: 'more', ...more })).code).toBe('permission_denied')
      const patched = await call(writer.key, 'PATCH', `/admin/keys/${writer.id}`, more)
      expect([patched.status, patched.code]).toEqual([403, 'permission_denied'])
    }
    for (const [method, path, body] of [
      ['POST', `/admin/keys/${owner.id}/rotate`, {}],
      ['PATCH', `/admin/keys/${owner.id}`, { name: 'mine' }],
      ['DELETE', `/admin/keys/${owner.id}`, undefined],
    ] as const) {
      expect((await call(writer.key, method, path, body)).code).toBe('permission_denied')
    }
    expect((await call(writer.key, 'POST', '/admin/keys', { name: 'same', scopes: ['chat'] })).status).toBe(201)
    expect(await models(owner.key)).toBe(200)
  })

  test('a key for some models makes none for others', async () => {
    const some = await newKey({ scopes: ['chat', 'keys:write'], models: [MODEL] })
    const make = (input: object) => call(some.key, 'POST', '/admin/keys', { name: 'x', scopes: ['chat'], ...input })
    expect((await make({})).code).toBe('permission_denied')
    expect((await make({ models: [MODEL, 'other'] })).code).toBe('permission_denied')
    expect((await make({ models: [MODEL] })).status).toBe(201)
    expect((await call(some.key, 'PATCH', `/admin/keys/${some.id}`, { models: null })).code).toBe('permission_denied')
  })

  test('no tenant but the installation’s own gets what reaches beyond it', async () => {
    const owner = await asRole('owner')
    expect(owner.scopes).toEqual(SCOPES.filter((scope) => !/^(tenants|metrics|routing):/.test(scope)))
    for (const path of ['/admin/tenants', `/admin/tenants/${owner.tenant_id}`]) {
      expect((await call(owner.key, 'GET', path)).code).toBe('permission_denied')
    }
    const path = `/admin/keys?tenant_id=${owner.tenant_id}`
    const refused = await call(KEY, 'POST', path, { name: 'x', scopes: ['tenants:write'] })
    expect([refused.status, refused.code]).toEqual([400, 'invalid_request'])
  })

  test('an admin sees and changes the keys of his tenant alone', async () => {
    const [ours, theirs] = [await asRole('admin'), await asRole('member')]
    for (const [method, path, body] of [
      ['GET', `/admin/keys/${theirs.id}`, undefined],
      ['PATCH', `/admin/keys/${theirs.id}`, { name: 'x' }],
      ['POST', `/admin/keys/${theirs.id}/rotate`, {}],
      ['DELETE', `/admin/keys/${theirs.id}`, undefined],
    ] as const) {
      expect((await call(ours.key, method, path, body)).code, method).toBe('resource_not_found')
      const named = await call(ours.key, method, `${path}?tenant_id=${theirs.tenant_id}`, body)
      expect(named.code, method).toBe('permission_denied')
    }
    const list = (await call(ours.key, 'GET', '/admin/keys')).body as List<KeyView>
    expect(list.data.map(({ id }) => id)).toEqual([ours.id])
    for (const [method, path, body] of [
      ['GET', '/admin/keys', undefined],
      ['GET', `/admin/keys/${theirs.id}`, undefined],
      ['POST', '/admin/keys', { name: 'x' }],
    ] as const) {
      expect((await call(theirs.key, method, path, body)).code, `a member: ${method} ${path}`).toBe('permission_denied')
    }
    expect(await models(theirs.key)).toBe(200)
  })

  test('a key that gets more between the look at it and the write is not taken over', async () => {
    const key = await newKey({ scopes: ['chat'] })
    const store = keyStore(env.DB)
    const admin = keyAdmin({
      store: {
        ...store,
        async rotate(record, ...rest) {
          await store.update(record, { ...record, role: 'owner', scopes: null }, Date.now())
          return store.rotate(record, ...rest)
        },
      },
      changed: async () => undefined,
      nowMs: () => Date.now(),
    })
    const actor: Principal = { tenantId: key.tenant_id, keyId: 'key_writer', scopes: ['chat', 'keys:write'] }
    const rotation = admin.rotate({ actor, tenantId: key.tenant_id, id: key.id, overlapSeconds: 0 })
    await expect(rotation).rejects.toMatchObject({ code: 'stale_write' })
    expect(await models(key.key)).toBe(200)
  })
})

describe('lists', () => {
  test('of keys come in pages, newest first, each key once', async () => {
    const { id: tenant } = await newTenant()
    const made: string[] = []
    for (let i = 0; i < 5; i++) made.unshift((await newKey({}, tenant)).id)
    const seen: string[] = []
    let after = ''
    for (let pages = 1; ; pages++) {
      const { body } = await call(KEY, 'GET', `/admin/keys?tenant_id=${tenant}&limit=2${after}`)
      expect(keyListSchema.safeParse(body).success).toBe(true)
      const page = body as List<KeyView>
      seen.push(...page.data.map(({ id }) => id))
      if (!page.has_more) {
        expect(pages).toBe(3)
        break
      }
      after = `&after=${page.next}`
    }
    expect(seen).toEqual(made)
  })

  test('of tenants come in pages too', async () => {
    const made = [await newTenant(), await newTenant()].map(({ id }) => id)
    const seen: string[] = []
    let after = ''
    for (;;) {
      const { body } = await call(KEY, 'GET', `/admin/tenants?limit=3${after}`)
      expect(tenantListSchema.safeParse(body).success).toBe(true)
      const page = body as List<TenantView>
      seen.push(...page.data.map(({ id }) => id))
      if (!page.has_more) break
      after = `&after=${page.next}`
    }
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen).toEqual(expect.arrayContaining(['tnt_default', ...made]))
  })

  test.each(['limit=0', 'limit=101', 'limit=x', 'after=', 'after=tnt_1', 'tenant_id=other'])(
    'refuse ?%s',
    async (query) => {
      const refused = await call(KEY, 'GET', `/admin/keys?${query}`)
      expect([refused.status, refused.code]).toEqual([400, 'invalid_request'])
      expect(refused.body.param).toBe(query.split('=')[0])
    },
  )
})

test.each([
  [{}, 'name'],
  [{ name: '' }, 'name'],
  [{ name: 'x', role: 'king' }, 'role'],
  [{ name: 'x', scopes: [] }, 'scopes'],
  [{ name: 'x', scopes: ['everything'] }, 'scopes.0'],
  [{ name: 'x', role: 'member', scopes: ['chat'] }, 'scopes'],
  [{ name: 'x', allowed_origins: ['app.example.com'] }, 'allowed_origins.0'],
  [{ name: 'x', allowed_origins: ['https://app.example.com/'] }, 'allowed_origins.0'],
  [{ name: 'x', allowed_networks: ['10.0.0.0/8', '10.0.0.1/8'] }, 'allowed_networks.1'],
  [{ name: 'x', expires_at: 1_600_000_000 }, 'expires_at'],
  [{ name: 'x', expires_at: 'tomorrow' }, 'expires_at'],
  [{ name: 'x', sha256: '0' }, 'sha256'],
])('a key cannot be made of %j', async (input, param) => {
  const refused = await call(KEY, 'POST', '/admin/keys', input)
  expect([refused.status, refused.code, refused.body.param]).toEqual([400, 'invalid_request', param])
})

test('a tenant has so many keys at most', async () => {
  const { id } = await newTenant()
  await env.DB.batch(
    Array.from({ length: KEYS_PER_TENANT_MAX }, (_, i) =>
      env.DB.prepare(
        "INSERT INTO api_key (id, tenant_id, name, sha256, role, created_at_ms) VALUES (?1, ?2, 'many', ?1, 'member', 0)",
      ).bind(`key_${id.slice(4, 12)}${i}`, id),
    ),
  )
  expect((await call(KEY, 'POST', `/admin/keys?tenant_id=${id}`, { name: 'one more' })).code).toBe('invalid_request')
})

test('two tenants never have the same name, and a deleted one gives its name free', async () => {
  const [one, two] = [await newTenant('Twice'), await newTenant('Once')]
  const taken = await call(KEY, 'POST', '/admin/tenants', { name: 'Twice' })
  expect([taken.status, taken.code]).toEqual([409, 'already_exists'])
  expect((await call(KEY, 'PATCH', `/admin/tenants/${two.id}`, { name: 'Twice' })).code).toBe('already_exists')
  await call(KEY, 'DELETE', `/admin/tenants/${one.id}`)
  expect((await call(KEY, 'PATCH', `/admin/tenants/${two.id}`, { name: 'Twice' })).body.name).toBe('Twice')
})

test('the installation’s own tenant can be neither suspended nor deleted', async () => {
  for (const refused of [
    await call(KEY, 'PATCH', '/admin/tenants/tnt_default', { status: 'suspended' }),
    await call(KEY, 'DELETE', '/admin/tenants/tnt_default'),
  ]) {
    expect([refused.status, refused.code]).toEqual([400, 'invalid_request'])
  }
})

describe('when D1 is down', () => {
  const broken = { prepare: brokenStatement, batch: () => Promise.reject(new Error('D1 is down at 10.0.0.1')) }
  function brokenStatement() {
    const fail = () => Promise.reject(new Error('D1 is down at 10.0.0.1'))
    const statement = { bind: () => statement, first: fail, all: fail, run: fail }
    return statement
  }
  const down = () => edge({ DB: broken as never })

  test('a key that nobody knows is 503 with a time to come back, not 401; the configured key works on', async () => {
    const response = await down().fetch('/v1/models', { headers: { authorization: `Bearer ${makeApiKey()}` } })
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    expect(await response.json()).toMatchObject({ error: { code: 'store_unavailable' } })
    expect((await down().get('/v1/models')).status).toBe(200)
  })

  test('a key that another isolate knew works on, from the reserve', async () => {
    const key = await newKey()
    expect(await models(key.key)).toBe(200)
    await here.settled()
    await vi.waitUntil(async () => (await env.RESERVE.list({ prefix: 'key/' })).keys.length > 0, { timeout: 5_000 })
    const hashes = (await env.RESERVE.list({ prefix: 'key/' })).keys.map(({ name }) => name)
    expect(hashes.join()).not.toContain(key.key)
    await vi.waitUntil(async () => (await models(key.key, {}, down())) === 200, { timeout: 5_000 })
  })

  test('an admin route is 503 and tells nothing of the store', async () => {
    const response = await down().get('/admin/keys')
    expect(response.status).toBe(503)
    const text = await response.text()
    expect(text).toContain('store_unavailable')
    expect(text).not.toContain('10.0.0.1')
  })
})
