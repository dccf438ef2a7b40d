/**
 * Walks the table of routes as somebody who should not get in: without a key, with a wrong, expired or revoked one, with all scopes
 * but the right one, with everything right but another tenant's object. A route that is added is walked without a line here, unless
 * its path has a parameter that this file does not know: then it fails until OBJECTS says what stands there.
 */
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, test } from 'vitest'
import { makeApiKey } from '../../src/auth/api-key.ts'
import { INSTALLATION_SCOPES } from '../../src/auth/roles.ts'
import type { NewKeyView } from '../../src/contract/keys.ts'
import { SCOPES, type Scope } from '../../src/contract/scopes.ts'
import type { Route } from '../../src/http/route.ts'
import { OPEN_ROUTES, routes } from '../../src/http/route-table.ts'
import { deliverRows } from '../../src/request-log/deliver-rows.ts'
import { rowId, rowText } from '../../src/request-log/log-row.ts'
import { logRow } from '../support/log-row.ts'
import { edge, KEY } from './edge-client.ts'

const { fetch } = edge()

/** What stands in the path of a route: made for the other tenant, and one that nobody has. */
type Objects = {
  /** Everything up to and with the first parameter: what follows belongs to that object. */
  path: string
  missing: string
  /** Makes one with that tenant's key and says its id. */
  make(key: string): Promise<string>
  /** Bodies that would be accepted, by method and the path's end, so that only the id can be what is refused. */
  bodies?: Readonly<Record<string, object>>
  /** Queries that the route cannot do without, in the same way. */
  queries?: Readonly<Record<string, string>>
  /** Ids are names that each tenant gives: by these methods and ends the caller makes one of his own. */
  makesOwn?: readonly string[]
}

const OBJECTS: readonly Objects[] = [
  {
    // Not a tenant's own: the same models for all. Which of them a key may name is in keys.test.ts.
    path: '/v1/models/:id',
    missing: 'no-such-model',
    make: async () => 'no-such-model-either',
  },
  {
    path: '/admin/keys/:key_id',
    missing: 'key_00000000000000000000',
    make: async (key) => (await made('/admin/keys', key, { name: 'theirs', scopes: ['chat'] })).id as string,
    bodies: { 'PATCH ': { name: 'ours now' }, 'POST /rotate': { overlap_seconds: 0 } },
  },
  {
    path: '/admin/tenants/:tenant_id',
    missing: 'tnt_00000000000000000000',
    make: async () => other.tenantId,
    bodies: { 'PATCH ': { name: 'ours now' } },
  },
  {
    path: '/admin/filters/:name',
    missing: 'nobody-has-this',
    async make(key) {
      await send('PUT', '/admin/filters/theirs-alone', key, { action: 'mask', words: ['secret'] })
      return 'theirs-alone'
    },
    bodies: { 'PUT ': { action: 'block', words: ['ours'] } },
    makesOwn: ['PUT '],
  },
  {
    path: '/admin/users/:id',
    missing: 'usr_000000000000000000000000000000',
    async make(key) {
      const user = { email: 'theirs@example.com', password: 'correct horse battery staple' }
      return (await made('/admin/users', key, user)).id as string
    },
    bodies: { 'PATCH ': { name: 'ours now' } },
  },
  {
    // Of the installation: no tenant's key has the scope.
    path: '/admin/identity-providers/:id',
    missing: 'idp_000000000000000000000000000000',
    make: async () => 'idp_000000000000000000000000000001',
    bodies: { 'PATCH ': { status: 'disabled' } },
  },
  {
    path: '/admin/limits/:id',
    missing: `lim_${'0'.repeat(32)}`,
    make: async (key) =>
      (await made('/admin/limits', key, { dimension: 'tenant', kind: 'streams', amount: 1_000_000 })).id as string,
    bodies: { 'PATCH ': { amount: 1 } },
  },
  {
    path: '/admin/budgets/:id',
    missing: 'day-tokens-nobody',
    async make(key) {
      const theirs = await made('/admin/keys', key, { name: 'bounded', scopes: ['chat'] })
      await send('PUT', `/admin/budgets/day-tokens-${theirs.id}`, key, { limit: 1_000_000 })
      return `day-tokens-${theirs.id}`
    },
    bodies: { 'PUT ': { limit: 1 } },
  },
  {
    path: '/admin/requests/:id',
    missing: 'req_nobody_has_this',
    async make() {
      const request = logRow({ id: rowId(Date.now(), '0a1b2c3d', 1), requestId: 'req_theirs_alone' })
      await deliverRows(env.DB, other.tenantId, `[${rowText(request)}]`)
      return 'req_theirs_alone'
    },
  },
  {
    // Of the installation: the same prices for all, and no tenant's key may set them.
    path: '/admin/prices/:model',
    missing: 'no-such-model',
    make: async () => 'no-such-model-either',
    bodies: { 'PUT ': { input: 1, output: 1 } },
  },
  // Of the installation, these three: no tenant's key has the scope.
  {
    path: '/admin/config/versions/:number',
    missing: '999999999',
    make: async () => '999999998',
  },
  {
    path: '/admin/models/:alias',
    missing: 'no-such-model',
    make: async () => 'no-such-model-either',
    bodies: { 'PUT ': { targets: [{ deployment: 'no-such-deployment' }] } },
  },
  {
    path: '/admin/routes/:id',
    missing: 'no-such-deployment',
    make: async () => 'no-such-deployment-either',
    bodies: { 'PUT ': { adapter: 'openai', url: 'https://gpu.example.com', model: 'm' } },
  },
  {
    path: '/v1/prompts/:id',
    missing: 'nobody-has-this',
    async make(key) {
      await made('/v1/prompts', key, { id: 'theirs-alone', messages: [{ role: 'user', content: 'Hi' }] })
      return 'theirs-alone'
    },
    bodies: {
      'PATCH ': { description: 'ours now' },
      'POST /render': { variables: {} },
      'POST /versions': { messages: [{ role: 'user', content: 'Hi' }] },
      'PUT /labels/:label': { version: 1 },
    },
    queries: { 'GET /diff': '?from=1&to=1' },
  },
]

/** The object as its tenant saw it when it was made. */
const before = new Map<Objects, string>()

/** Parameters after the object's own id, which exist for the object that `make` makes. */
const WITHIN: Readonly<Record<string, string>> = { ':version': '1', ':label': 'production' }

type TenantOf = { tenantId: string; ownerKey: string }
let ours: TenantOf
let other: TenantOf

function made(path: string, key: string, body: object): Promise<Record<string, unknown>> {
  return send('POST', path, key, body)
}

async function send(method: string, path: string, key: string, body: object): Promise<Record<string, unknown>> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const response = await fetch(path, { method, headers, body: JSON.stringify(body) })
  expect(response.status, `${path} ${await response.clone().text()}`).toBeLessThan(300)
  return response.json()
}

async function newKey(tenantId: string, input: object): Promise<NewKeyView> {
  return (await made(`/admin/keys?tenant_id=${tenantId}`, KEY, { name: 'walker', ...input })) as NewKeyView
}

async function newTenant(): Promise<TenantOf> {
  const { id } = await made('/admin/tenants', KEY, { name: crypto.randomUUID() })
  return { tenantId: String(id), ownerKey: (await newKey(String(id), { role: 'owner' })).key }
}

beforeAll(async () => {
  ours = await newTenant()
  other = await newTenant()
})

const named = routes.map((route) => [`${route.method} ${route.path}`, route] as const)
const closed = named.filter(([, route]) => !OPEN_ROUTES.includes(route.path))
/** What any key or token may ask, for it concerns its holder alone. */
const OF_THE_HOLDER = ['/auth/me', '/auth/logout', '/auth/password']
const scoped = closed.flatMap(([name, route]) =>
  typeof route.access === 'object' ? [[name, route, route.access.scope] as const] : [],
)
const withObject = closed.filter(([, route]) => route.path.includes('/:'))

function objectsOf(route: Route): Objects | undefined {
  return OBJECTS.find(({ path }) => route.path === path || route.path.startsWith(`${path}/`))
}

/** The path with `id` in its place. */
function pathOf(route: Route, id: string): string {
  const objects = objectsOf(route)
  const filled = objects ? route.path.replace(objects.path, objects.path.replace(/:\w+$/, id)) : route.path
  return filled.replace(/:\w+/g, (parameter) => {
    const value = WITHIN[parameter]
    if (value === undefined) throw new Error(`${route.path}: say in WITHIN what ${parameter} may be.`)
    return value
  })
}

function ask(route: Route, path: string, key: string | undefined, body: object = {}): Promise<Response> {
  return fetch(path, {
    method: route.method,
    headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { authorization: `Bearer ${key}` }) },
    ...(route.body ? { body: JSON.stringify(body) } : {}),
  })
}

async function codeOf(response: Response): Promise<unknown> {
  const body = await response.json<{ code?: string; error?: { code: string } }>()
  return body.error?.code ?? body.code
}

test('there are routes to walk, and every one states who may use it', () => {
  expect(closed.length).toBeGreaterThan(8)
  for (const [name, { access, path }] of named) {
    if (access === 'open') expect(OPEN_ROUTES, name).toContain(path)
    else if (access === 'authenticated') expect(OF_THE_HOLDER, name).toContain(path)
    else expect(SCOPES, `${name} states no scope`).toContain(access?.scope)
  }
})

test('every parameter of a path is known here', () => {
  const unknown = withObject.filter(([, route]) => !objectsOf(route)).map(([name]) => name)
  expect(unknown, 'Say in OBJECTS how such an object is made.').toEqual([])
  for (const [, route] of withObject) pathOf(route, 'x')
})

describe('nobody gets in', () => {
  let badKeys: Record<string, string | undefined>

  beforeAll(async () => {
    const [expired, revoked, suspended] = [
      await newKey(ours.tenantId, { role: 'owner' }),
      await newKey(ours.tenantId, { role: 'owner' }),
      await newTenant(),
    ]
    await env.DB.prepare('UPDATE api_key SET expires_at_ms = 1 WHERE id = ?').bind(expired.id).run()
    const operator = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
    await fetch(`/admin/keys/${revoked.id}?tenant_id=${ours.tenantId}`, { method: 'DELETE', headers: operator })
    await fetch(`/admin/tenants/${suspended.tenantId}`, {
      method: 'PATCH',
      headers: operator,
      body: '{"status":"suspended"}',
    })
    badKeys = {
      'no key': undefined,
      'a key that nobody made': makeApiKey(),
      'no key at all': 'anything',
      'an expired key': expired.key,
      'a revoked key': revoked.key,
      'a key of a suspended tenant': suspended.ownerKey,
    }
  })

  test.each(closed)('%s', async (_, route) => {
    for (const [what, key] of Object.entries(badKeys)) {
      const response = await ask(route, pathOf(route, objectsOf(route)?.missing ?? ''), key)
      expect(response.status, what).toBe(401)
      expect(response.headers.get('www-authenticate'), what).toMatch(/^Bearer/)
      expect(await codeOf(response), what).toBe('invalid_api_key')
    }
  })
})

describe('the right key without the scope is refused', () => {
  const without = new Map<Scope, string>()

  beforeAll(async () => {
    for (const scope of SCOPES) {
      const rest = SCOPES.filter((one) => one !== scope && !INSTALLATION_SCOPES.includes(one))
      without.set(scope, (await newKey(ours.tenantId, { scopes: rest })).key)
    }
  })

  test.each(scoped)('%s', async (_, route, scope) => {
    const response = await ask(route, pathOf(route, objectsOf(route)?.missing ?? ''), without.get(scope))
    expect(response.status).toBe(403)
    expect(await codeOf(response)).toBe('permission_denied')
  })
})

describe('another tenant’s object is as one that is not there', () => {
  const ids = new Map<Objects, string>()

  beforeAll(async () => {
    for (const objects of OBJECTS) {
      ids.set(objects, await objects.make(other.ownerKey))
      before.set(objects, await seen(objects))
    }
  })

  test.each(withObject)('%s', async (_, route) => {
    const objects = objectsOf(route)
    if (!objects) throw new Error('not known')
    const end = `${route.method} ${route.path.slice(objects.path.length)}`
    const body = objects.bodies?.[end]
    if (route.body && !body) throw new Error('Say in OBJECTS what its body may be.')
    const [theirs, missing] = [ids.get(objects) ?? '', objects.missing]
    const makesOwn = objects.makesOwn?.includes(end) ?? false
    const answers = await Promise.all(
      [theirs, missing].map(async (id) => {
        const key = makesOwn ? (await newTenant()).ownerKey : ours.ownerKey
        const response = await ask(route, pathOf(route, id) + (objects.queries?.[end] ?? ''), key, body)
        const text = (await response.text())
          .replaceAll(id, 'ID')
          .replace(/"(request_id|updated_at|key_id)":("[^"]*"|\d+)/g, '')
        return { status: response.status, text }
      }),
    )
    expect(answers[0]).toEqual(answers[1])
    if (makesOwn) {
      expect(answers[0]?.status).toBeLessThan(300)
      return
    }
    // Not for having asked wrongly: then nothing would be shown.
    expect([403, 404]).toContain(answers[0]?.status)
    const scope = typeof route.access === 'object' ? route.access.scope : undefined
    expect(answers[0]?.status).toBe(scope && INSTALLATION_SCOPES.includes(scope) ? 403 : 404)
  })

  test('and is what it was', async () => {
    for (const objects of OBJECTS) expect(await seen(objects), objects.path).toBe(before.get(objects))
  })

  /** What its own tenant sees of it. */
  async function seen(objects: Objects): Promise<string> {
    const path = objects.path.replace(/:\w+$/, ids.get(objects) ?? '')
    const response = await fetch(path, { headers: { authorization: `Bearer ${other.ownerKey}` } })
    return `${response.status} ${(await response.text()).replace(/"request_id":"\w+"/, '')}`
  }
})
