/** Users, their passwords, tokens and sessions: the routes end to end, with real D1 and the real sign-in guard. Runs in workerd. */
import { env } from 'cloudflare:workers'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { signAccessToken } from '../../src/auth/access-token.ts'
import { hashPassword, passwordCost } from '../../src/auth/password-hash.ts'
import { INSTALLATION_SCOPES, ROLE_SCOPES, scopesOfRole } from '../../src/auth/roles.ts'
import { tenantStore } from '../../src/auth/tenant-store.ts'
import { userStore } from '../../src/auth/user-store.ts'
import type { Scope } from '../../src/contract/scopes.ts'
import type { TokenResponse, UserObject } from '../../src/contract/users.ts'
import { oauthErrorSchema, problemSchema } from '../../src/http/openapi/schemas.ts'
import {
  principalSchema,
  tokenResponseSchema,
  userListSchema,
  userSchema,
} from '../../src/http/openapi/user-schemas.ts'
import { allPorts } from '../../src/whole-app.ts'
import { codeOf, type Edge, edge } from './edge-client.ts'

const SECRET = 'a secret that only this test knows, 2026'
/** One round: a fifth of what is shipped, for there are a hundred sign-ins here. */
const SETTINGS = { PERIGEE_TOKEN_SECRET: SECRET, PERIGEE_PASSWORD_ROUNDS: '1' }
const COST = passwordCost(1)
const PASSWORD = 'correct horse battery'
const api = edge(SETTINGS)

let people = 0
const newEmail = () => `person-${++people}@example.org`

beforeAll(async () => {
  for (const id of ['tnt_other', 'tnt_pages', 'tnt_late']) await tenantStore(env.DB).insert(id, id, 0)
})

/** Each test calls from an address of its own, so that none waits for another's wrong tries. */
let address = ''
beforeEach(() => {
  address = `192.0.2.${++people}`
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

async function createUser(fields: Record<string, unknown> = {}): Promise<UserObject> {
  const response = await api.post('/admin/users', { email: newEmail(), password: PASSWORD, ...fields })
  expect(response.status).toBe(201)
  return response.json<UserObject>()
}

function token(form: Record<string, string> | URLSearchParams, by: Edge = api): Promise<Response> {
  return by.fetch('/auth/token', {
    method: 'POST',
    body: new URLSearchParams(form),
    headers: { 'cf-connecting-ip': address },
  })
}

const signIn = (username: string, password = PASSWORD, by: Edge = api) =>
  token({ grant_type: 'password', username, password }, by)
const refresh = (refresh_token: string) => token({ grant_type: 'refresh_token', refresh_token })

async function signedIn(username: string, by: Edge = api): Promise<TokenResponse> {
  const response = await signIn(username, PASSWORD, by)
  expect(response.status).toBe(200)
  return response.json<TokenResponse>()
}

function withToken(accessToken: string, path: string, init: RequestInit = {}, by: Edge = api): Promise<Response> {
  return by.fetch(path, { ...init, headers: { ...init.headers, authorization: `Bearer ${accessToken}` } })
}

const send = (method: string, path: string, body?: unknown) =>
  api.post(path, body ?? '', { method, ...(body === undefined ? { body: null } : {}) })

describe('a user', () => {
  test('is created, shown, listed, changed and deleted, and the password is in no answer', async () => {
    const email = `  Ada.${++people}@Example.ORG `
    const created = await api.post('/admin/users', { email, password: PASSWORD, name: 'Ada', role: 'developer' })
    const text = await created.text()
    expect(text).not.toMatch(/scrypt|password|correct horse/)
    const user = userSchema.parse(JSON.parse(text))
    expect(user).toMatchObject({
      tenant_id: 'tnt_default',
      email: email.trim().toLowerCase(),
      name: 'Ada',
      role: 'developer',
      status: 'active',
    })
    const path = `/admin/users/${user.id}`
    expect(userSchema.parse(await (await api.get(path)).json())).toEqual(user)
    const changed = await send('PATCH', path, { role: 'viewer', name: null })
    expect(await changed.json()).toEqual({ ...user, role: 'viewer', name: null })
    expect(await (await send('DELETE', path)).json()).toEqual({ id: user.id, object: 'user.deleted', deleted: true })
    expect(await codeOf(await api.get(path))).toBe('resource_not_found')
    expect((await send('DELETE', path)).status).toBe(404)
    expect((await send('PATCH', path, { role: 'viewer' })).status).toBe(404)
  })

  test('has an address that nobody else has, in whatever case and tenant', async () => {
    const { email } = await createUser()
    const same = { email: email.toUpperCase(), password: PASSWORD }
    const again = await api.post('/admin/users', same)
    expect([again.status, await codeOf(again)]).toEqual([409, 'already_exists'])
    expect((await api.post('/admin/users?tenant_id=tnt_other', same)).status).toBe(409)
  })

  test('is created in a tenant that is there, and in no other', async () => {
    const user = { email: newEmail(), password: PASSWORD }
    const nowhere = await api.post('/admin/users?tenant_id=tnt_nowhere', user)
    expect([nowhere.status, await codeOf(nowhere)]).toEqual([404, 'resource_not_found'])
    expect((await api.post('/admin/users?tenant_id=tnt_other', user)).status).toBe(201)
  })

  test.each([
    [{ email: 'nobody' }, 'email'],
    [{ email: 'a b@example.org' }, 'email'],
    [{ email: `${'a'.repeat(250)}@example.org` }, 'email'],
    [{ password: 'eleven char' }, 'password'],
    [{ password: 'x'.repeat(257) }, 'password'],
    [{ role: 'god' }, 'role'],
    [{ tenant_id: 'tnt_other' }, 'tenant_id'],
  ])('is refused with %j, and the value is not repeated', async (wrong, param) => {
    const response = await api.post('/admin/users', { email: newEmail(), password: PASSWORD, ...wrong })
    const problem = problemSchema.parse(await response.json())
    expect(problem).toMatchObject({ status: 400, code: 'invalid_request', param })
    expect(JSON.stringify(problem)).not.toContain(PASSWORD)
  })

  test('is stored with a salted scrypt hash, its settings beside it', async () => {
    const [one, other] = [await createUser(), await createUser()]
    const hashes = await Promise.all([one, other].map(({ id }) => userStore(env.DB).byId('tnt_default', id)))
    for (const row of hashes) expect(row?.password_hash).toMatch(/^scrypt\$16384\$8\$1\$[\w-]{22}\$[\w-]{43}$/)
    expect(hashes[0]?.password_hash).not.toBe(hashes[1]?.password_hash)
  })

  test('list has pages: each user once, oldest first, and no more after the last', async () => {
    const tenant = `tenant_id=tnt_pages`
    const hash = await hashPassword(PASSWORD, COST)
    for (let i = 1; i <= 5; i++) {
      await userStore(env.DB).insert({
        user_id: `usr_${String(i).padStart(30, '0')}`,
        tenant_id: 'tnt_pages',
        email: newEmail(),
        name: null,
        role: 'member',
        status: 'active',
        password_hash: hash,
        created_at_ms: i,
      })
    }
    const ids: string[] = []
    let after = ''
    for (let page = 0; page < 3; page++) {
      const list = userListSchema.parse(await (await api.get(`/admin/users?limit=2&${tenant}${after}`)).json())
      ids.push(...list.data.map(({ id }) => id))
      expect(list.has_more).toBe(page < 2)
      after = `&after=${list.next}`
    }
    expect(ids.map((id) => Number(id.slice(4)))).toEqual([1, 2, 3, 4, 5])
    const own = userListSchema.parse(await (await api.get('/admin/users?limit=1')).json())
    expect(own.data.map(({ tenant_id }) => tenant_id)).toEqual(['tnt_default'])
    for (const query of ['limit=0', 'limit=101', 'limit=x', 'after=x', 'tenant_id=x']) {
      expect((await api.get(`/admin/users?${query}`)).status, query).toBe(400)
    }
  })
})

describe('the rights of an admin', () => {
  /** Calls as somebody of a role, in a tenant of his own. */
  const as = (scopes: readonly Scope[], tenantId = 'tnt_default') =>
    edge(SETTINGS, () => ({ keys: { find: async () => ({ tenantId, keyId: 'key_x', scopes }) } }))

  test('end at his tenant: users of another are not found, and naming it is refused', async () => {
    const user = await createUser()
    const foreign = as(scopesOfRole('owner', 'tnt_foreign'), 'tnt_foreign')
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const body = method === 'PATCH' ? JSON.stringify({ role: 'viewer' }) : null
      const there = await foreign.post(`/admin/users/${user.id}`, '', { method, body })
      const missing = await foreign.post('/admin/users/usr_none', '', { method, body })
      expect([there.status, await codeOf(there)], method).toEqual([404, 'resource_not_found'])
      expect([missing.status, await codeOf(missing)], method).toEqual([404, 'resource_not_found'])
      const named = await foreign.post(`/admin/users/${user.id}?tenant_id=tnt_default`, '', { method, body })
      expect(await codeOf(named), method).toBe('permission_denied')
    }
    expect(await (await foreign.get('/admin/users')).json()).toMatchObject({ data: [], has_more: false })
    expect((await api.get(`/admin/users/${user.id}`)).status).toBe(200)
  })

  test('end at his own role: none that may more is his to give, to change or to remove', async () => {
    const admin = as(ROLE_SCOPES.admin)
    const owner = await createUser({ role: 'owner' })
    const member = await createUser({ role: 'member' })
    const denied = [
      await admin.post('/admin/users', { email: newEmail(), password: PASSWORD, role: 'owner' }),
      await admin.post(`/admin/users/${member.id}`, { role: 'owner' }, { method: 'PATCH' }),
      await admin.post(`/admin/users/${owner.id}`, { password: 'taken over by me' }, { method: 'PATCH' }),
      await admin.post(`/admin/users/${owner.id}`, { role: 'viewer' }, { method: 'PATCH' }),
      await admin.post(`/admin/users/${owner.id}`, '', { method: 'DELETE', body: null }),
    ]
    for (const response of denied) expect(await codeOf(response)).toBe('permission_denied')
    expect((await admin.post(`/admin/users/${member.id}`, { role: 'developer' }, { method: 'PATCH' })).status).toBe(200)
    expect((await as(['users:read']).post('/admin/users', {})).status).toBe(403)
  })

  test('are lost to a change that was based on what is no longer so', async () => {
    const store = userStore(env.DB)
    const { id } = await createUser()
    const was = await store.byId('tnt_default', id)
    if (!was) throw new Error('The user is not there.')
    // Between reading and writing of our request somebody else promotes the user.
    const overtaken = edge(SETTINGS, ({ users }) => ({
      users: {
        ...users,
        change: async (call) => {
          const racing = users.change(call)
          await store.update(was, { role: 'owner' }, 1)
          return racing
        },
      },
    }))
    const response = await overtaken.post(`/admin/users/${id}`, { password: 'something else 1' }, { method: 'PATCH' })
    expect([response.status, await codeOf(response)]).toEqual([412, 'stale_write'])
    expect(await store.byId('tnt_default', id)).toMatchObject({ role: 'owner', password_hash: was.password_hash })
  })

  test('of an owner reach no further than his tenant, unless it is the one that runs the installation', async () => {
    const elsewhere = await api.post('/admin/users?tenant_id=tnt_other', {
      email: newEmail(),
      password: PASSWORD,
      role: 'owner',
    })
    const { email } = await elsewhere.json<UserObject>()
    const { access_token, scope } = await signedIn(email)
    expect(scope.split(' ').filter((name) => INSTALLATION_SCOPES.some((other) => other === name))).toEqual([])
    expect(await codeOf(await withToken(access_token, '/admin/identity-providers'))).toBe('permission_denied')
    const own = await signedIn((await createUser({ role: 'owner' })).email)
    expect((await withToken(own.access_token, '/admin/identity-providers')).status).toBe(200)
  })
})

describe('POST /auth/token', () => {
  test('gives a token of 30 minutes that is accepted where a key is, with what the role may', async () => {
    const user = await createUser({ role: 'member' })
    const response = await signIn(user.email)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('pragma')).toBe('no-cache')
    const granted = tokenResponseSchema.parse(await response.json())
    expect(granted).toMatchObject({ token_type: 'Bearer', expires_in: 1_800, scope: ROLE_SCOPES.member.join(' ') })
    expect((await withToken(granted.access_token, '/v1/models')).status).toBe(200)
    expect((await withToken(granted.access_token, '/metrics')).status).toBe(403)
    const me = principalSchema.parse(await (await withToken(granted.access_token, '/auth/me')).json())
    expect(me).toEqual({
      object: 'principal',
      tenant_id: 'tnt_default',
      key_id: user.id,
      user_id: user.id,
      scopes: ROLE_SCOPES.member,
      user,
    })
    // Nothing of the person but the id is in the token, for it passes through many hands.
    const [header = '', payload = ''] = granted.access_token.split('.')
    expect(JSON.parse(atob(header))).toEqual({ alg: 'HS256', typ: 'JWT' })
    expect(Object.keys(JSON.parse(atob(payload))).sort()).toEqual(['exp', 'iat', 'iss', 'sid', 'sub'])
  })

  test('gives tokens of 15 minutes where no lifetime is set', async () => {
    const { email } = await createUser()
    const unset = edge({ ...SETTINGS, PERIGEE_TOKEN_MINUTES: undefined })
    expect(await signedIn(email, unset)).toMatchObject({ expires_in: 900 })
  })

  test('takes the address in any case, and the same password from another keyboard', async () => {
    const { email } = await createUser({ password: 'Ångström-häuser-12' })
    expect((await signIn(` ${email.toUpperCase()} `, 'Ångström-häuser-12'.normalize('NFD'))).status).toBe(200)
  })

  test('answers a wrong name, a wrong password and a disabled account alike', async () => {
    const [user, disabled] = [await createUser(), await createUser()]
    await send('PATCH', `/admin/users/${disabled.id}`, { status: 'disabled' })
    const answers = await Promise.all(
      [await signIn(user.email, 'wrong'), await signIn(newEmail()), await signIn(disabled.email)].map(
        async (response) => {
          const { request_id: _, ...body } = oauthErrorSchema.parse(await response.json())
          return [response.status, response.headers.get('retry-after'), body]
        },
      ),
    )
    expect(answers[0]).toMatchObject([400, null, { error: 'invalid_grant' }])
    expect(answers[1]).toEqual(answers[0])
    expect(answers[2]).toEqual(answers[0])
    const response = await signIn(newEmail())
    expect(await response.json()).toMatchObject({ error: 'invalid_grant' })
  })

  test.each<[string, Record<string, string>, number, string]>([
    ['another grant', { grant_type: 'client_credentials' }, 400, 'unsupported_grant_type'],
    ['no grant', { username: 'a' }, 400, 'invalid_request'],
    ['no password', { grant_type: 'password', username: 'a@example.org' }, 400, 'invalid_request'],
    ['an empty password', { grant_type: 'password', username: 'a@example.org', password: '' }, 400, 'invalid_request'],
    ['no refresh token', { grant_type: 'refresh_token' }, 400, 'invalid_request'],
    ['no real refresh token', { grant_type: 'refresh_token', refresh_token: 'x' }, 400, 'invalid_grant'],
  ])("answers %s in RFC 6749's shape", async (_, form, status, error) => {
    const response = await token(form)
    expect(response.status).toBe(status)
    expect(oauthErrorSchema.parse(await response.json()).error).toBe(error)
  })

  test('refuses other bodies: JSON, a field twice, too many bytes', async () => {
    const json = await api.fetch('/auth/token', {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json' },
    })
    expect([json.status, await json.json()]).toMatchObject([415, { error: 'invalid_request' }])
    const twice = await token(new URLSearchParams('grant_type=password&grant_type=password&username=a&password=b'))
    expect([twice.status, await twice.json()]).toMatchObject([400, { error: 'invalid_request' }])
    expect((await token({ grant_type: 'x'.repeat(70_000) })).status).toBe(413)
  })

  test('says what is missing where no secret is set, and no token is valid there', async () => {
    const without = edge({ PERIGEE_TOKEN_SECRET: undefined })
    const response = await signIn('a@example.org', PASSWORD, without)
    expect(response.status).toBe(503)
    const body = oauthErrorSchema.parse(await response.json())
    expect(body).toMatchObject({ error: 'server_error' })
    expect(body.error_description).toContain('PERIGEE_TOKEN_SECRET')
    const user = await createUser()
    const { access_token } = await signedIn(user.email)
    expect((await withToken(access_token, '/v1/models', {}, without)).status).toBe(401)
    const unset = { ...env, PERIGEE_TOKEN_SECRET: undefined }
    const refused = await withToken(
      access_token,
      '/auth/logout',
      { method: 'POST' },
      edge(SETTINGS, () => ({ signIn: allPorts(unset).signIn })),
    )
    expect(await codeOf(refused)).toBe('not_configured')
  })

  test('makes a hash anew that is weaker than what is asked for now', async () => {
    const store = userStore(env.DB)
    const { id, email } = await createUser()
    const was = await store.byId('tnt_default', id)
    if (!was) throw new Error('The user is not there.')
    expect(was.password_hash).toMatch(/^scrypt\$16384\$8\$1\$/)
    await signedIn(email)
    expect(await store.byId('tnt_default', id)).toEqual(was)
    const shipped = edge({ ...SETTINGS, PERIGEE_PASSWORD_ROUNDS: undefined })
    await signedIn(email, shipped)
    expect((await store.byId('tnt_default', id))?.password_hash).toMatch(/^scrypt\$16384\$8\$5\$/)
    await signedIn(email)
  })

  test('writes nothing of a password or a token to the log', async () => {
    const log = ['log', 'warn', 'error'].map((method) => vi.spyOn(console, method as 'log'))
    const loud = edge({ ...SETTINGS, PERIGEE_LOG_LEVEL: 'debug' })
    const { email } = await createUser()
    const { access_token, refresh_token } = await signedIn(email, loud)
    await signIn(email, 'a wrong password', loud)
    await withToken(access_token, '/auth/me', {}, loud)
    await withToken(`${access_token}x`, '/auth/me', {}, loud)
    await loud.settled()
    const written = JSON.stringify(log.flatMap(({ mock }) => mock.calls))
    expect(written).toContain('/auth/token')
    for (const secret of [PASSWORD, 'a wrong password', email, access_token.slice(40, 80), refresh_token.slice(40)]) {
      expect(written).not.toContain(secret)
    }
  })
})

describe('an access token', () => {
  const claims = (user: UserObject, sid: string) => ({ sub: user.id, sid, iat: 1_800_000_000, exp: 4_000_000_000 })

  async function sessionOf(user: UserObject): Promise<string> {
    const { access_token } = await signedIn(user.email)
    return JSON.parse(atob(access_token.split('.')[1] ?? '')).sid
  }

  test('that is wrong is 401 with the error of RFC 6750, without one there is none', async () => {
    const response = await withToken('a.b.c', '/v1/models')
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="perigee", error="invalid_token"')
    expect(await codeOf(response)).toBe('invalid_token')
    const nothing = await api.fetch('/auth/me')
    expect(nothing.headers.get('www-authenticate')).toBe('Bearer realm="perigee"')
    expect(await codeOf(nothing)).toBe('invalid_api_key')
    const key = await withToken('pg_nonsense', '/auth/me')
    expect(key.headers.get('www-authenticate')).toContain('error="invalid_token"')
  })

  test('is verified by the secret before the last change, and by no older one', async () => {
    const user = await createUser()
    const sid = await sessionOf(user)
    const old = signAccessToken(claims(user, sid), { current: 'the old secret, thirty-two letters' })
    const changed = edge({ ...SETTINGS, PERIGEE_TOKEN_SECRET_PREVIOUS: 'the old secret, thirty-two letters' })
    expect((await withToken(old, '/auth/me', {}, changed)).status).toBe(200)
    expect((await withToken(old, '/auth/me')).status).toBe(401)
    const fresh = await signedIn(user.email, changed)
    expect((await withToken(fresh.access_token, '/auth/me')).status).toBe(200)
  })

  test('twice in one request is refused', async () => {
    const { access_token } = await signedIn((await createUser()).email)
    const headers = new Headers({ authorization: `Bearer ${access_token}` })
    headers.append('authorization', `Bearer ${access_token}`)
    expect((await api.fetch('/auth/me', { headers })).status).toBe(401)
  })

  test('follows its user: another role, a disabled account and a deleted one reach it within 10 s', async () => {
    const user = await createUser({ role: 'admin' })
    const { access_token } = await signedIn(user.email)
    // Another isolate, which hears of nothing by itself.
    const elsewhere = edge(SETTINGS)
    const status = async (path: string) => (await withToken(access_token, path, {}, elsewhere)).status
    expect(await status('/admin/users')).toBe(200)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
    await send('PATCH', `/admin/users/${user.id}`, { role: 'member' })
    vi.setSystemTime(Date.now() + 10_000)
    expect(await status('/admin/users')).toBe(403)
    expect(await status('/v1/models')).toBe(200)
    await send('PATCH', `/admin/users/${user.id}`, { status: 'disabled' })
    vi.setSystemTime(Date.now() + 10_000)
    expect(await status('/v1/models')).toBe(401)
    await send('PATCH', `/admin/users/${user.id}`, { status: 'active' })
    vi.setSystemTime(Date.now() + 10_000)
    expect(await status('/v1/models')).toBe(401)
  })

  test('of a suspended or deleted tenant is refused within 10 s everywhere, and of a resumed one accepted again', async () => {
    const email = newEmail()
    await api.post('/admin/users?tenant_id=tnt_late', { email, password: PASSWORD })
    const { access_token, refresh_token } = await signedIn(email)
    const elsewhere = edge(SETTINGS)
    const statuses = () =>
      Promise.all([api, elsewhere].map(async (by) => (await withToken(access_token, '/v1/models', {}, by)).status))
    expect(await statuses()).toEqual([200, 200])
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
    await send('PATCH', '/admin/tenants/tnt_late', { status: 'suspended' })
    expect((await withToken(access_token, '/v1/models')).status).toBe(401)
    vi.setSystemTime(Date.now() + 10_000)
    expect(await statuses()).toEqual([401, 401])
    expect(await codeOf(await withToken(access_token, '/auth/me'))).toBe('invalid_token')
    expect((await signIn(email)).status).toBe(400)

    await send('PATCH', '/admin/tenants/tnt_late', { status: 'active' })
    vi.setSystemTime(Date.now() + 10_000)
    expect(await statuses()).toEqual([200, 200])
    await send('DELETE', '/admin/tenants/tnt_late')
    vi.setSystemTime(Date.now() + 10_000)
    expect(await statuses()).toEqual([401, 401])
    expect([(await refresh(refresh_token)).status, (await signIn(email)).status]).toEqual([400, 400])
    // Nothing of its people is left, and their addresses are free.
    expect((await api.post('/admin/users', { email, password: PASSWORD })).status).toBe(201)
  })

  test('is good for its time and no longer', async () => {
    const { access_token } = await signedIn((await createUser()).email)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 1_798_000 })
    expect((await withToken(access_token, '/auth/me')).status).toBe(200)
    vi.setSystemTime(Date.now() + 2_000)
    expect(await codeOf(await withToken(access_token, '/auth/me'))).toBe('invalid_token')
  })

  test('is refused, not accepted, while nobody can tell about its session', async () => {
    const { access_token } = await signedIn((await createUser()).email)
    const DB = { prepare: () => ({ bind: () => ({ first: () => Promise.reject(new Error('D1 at 10.0.0.1')) }) }) }
    const broken = edge({ ...SETTINGS, DB } as never)
    const response = await withToken(access_token, '/v1/models', {}, broken)
    const text = await response.text()
    expect([response.status, text]).toEqual([503, expect.stringContaining('store_unavailable')])
    expect(text).not.toContain('10.0.0.1')
  })

  test('leaves rows in the table of changes, so that other isolates hear of its session', async () => {
    const user = await createUser()
    const sid = await sessionOf(user)
    const told = () => env.DB.prepare('SELECT kind, tenant_id FROM change WHERE subject = ?').bind(sid).all()
    expect((await told()).results).toEqual([])
    await send('PATCH', `/admin/users/${user.id}`, { role: 'viewer' })
    expect((await told()).results).toEqual([{ kind: 'session', tenant_id: 'tnt_default' }])
    await send('DELETE', `/admin/users/${user.id}`)
    expect((await told()).results).toHaveLength(2)
  })
})

describe('a refresh token', () => {
  test('gives new tokens of the same session, once', async () => {
    const first = await signedIn((await createUser()).email)
    const second = await (await refresh(first.refresh_token)).json<TokenResponse>()
    expect(second.refresh_token).not.toBe(first.refresh_token)
    expect((await withToken(second.access_token, '/auth/me')).status).toBe(200)
    expect((await refresh(second.refresh_token)).status).toBe(200)
  })

  test('that comes again ends its session: whoever has the newer one has nothing either', async () => {
    const { email } = await createUser()
    const [first, other] = [await signedIn(email), await signedIn(email)]
    const second = await (await refresh(first.refresh_token)).json<TokenResponse>()
    const again = await refresh(first.refresh_token)
    expect([again.status, await again.json()]).toMatchObject([400, { error: 'invalid_grant' }])
    expect((await refresh(second.refresh_token)).status).toBe(400)
    expect((await withToken(second.access_token, '/auth/me')).status).toBe(401)
    // The other session of the same user has nothing to do with it.
    expect((await refresh(other.refresh_token)).status).toBe(200)
  })

  test('gives new tokens to one of many who send it at once', async () => {
    const { refresh_token } = await signedIn((await createUser()).email)
    const answers = await Promise.all(Array.from({ length: 8 }, () => refresh(refresh_token)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  })

  test('is good until the session is over, however often it was renewed', async () => {
    const { refresh_token } = await signedIn((await createUser()).email)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 29 * 86_400_000 })
    const renewed = await (await refresh(refresh_token)).json<TokenResponse>()
    vi.setSystemTime(Date.now() + 86_400_000)
    expect((await refresh(renewed.refresh_token)).status).toBe(400)
  })

  test('of a suspended tenant gives nothing', async () => {
    const email = newEmail()
    await api.post('/admin/users?tenant_id=tnt_other', { email, password: PASSWORD })
    const { refresh_token } = await signedIn(email)
    await send('PATCH', '/admin/tenants/tnt_other', { status: 'suspended' })
    expect((await refresh(refresh_token)).status).toBe(400)
    await send('PATCH', '/admin/tenants/tnt_other', { status: 'active' })
  })

  test('is good no more for a disabled user or after a new password', async () => {
    for (const change of [{ status: 'disabled' }, { password: 'another password' }]) {
      const user = await createUser()
      const { refresh_token, access_token } = await signedIn(user.email)
      expect((await send('PATCH', `/admin/users/${user.id}`, change)).status).toBe(200)
      expect((await refresh(refresh_token)).status).toBe(400)
      expect((await withToken(access_token, '/auth/me')).status).toBe(401)
    }
  })

  test('is stored as its hash alone', async () => {
    const { refresh_token } = await signedIn((await createUser()).email)
    const { results } = await env.DB.prepare('SELECT * FROM session').all()
    const stored = JSON.stringify(results)
    expect(stored).toContain(refresh_token.slice(4, 38))
    expect(stored).not.toContain(refresh_token.slice(39))
  })

  test('and its session are among the newest 20 of a user: the oldest goes', async () => {
    const { email, id } = await createUser()
    const oldest = await signedIn(email)
    const rows = Array.from({ length: 19 }, (_, i) =>
      env.DB.prepare('INSERT INTO session VALUES (?, ?, ?, ?, ?, ?)').bind(
        `ses_of_${id}_${i}`,
        id,
        'tnt_default',
        '',
        Date.now() + 1,
        Date.now() + 1e9,
      ),
    )
    await env.DB.batch(rows)
    expect((await refresh(oldest.refresh_token)).status).toBe(200)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 1_000 })
    const newest = await signedIn(email)
    const { results } = await env.DB.prepare('SELECT session_id FROM session WHERE user_id = ?').bind(id).all()
    expect(results).toHaveLength(20)
    expect((await refresh(newest.refresh_token)).status).toBe(200)
    expect((await refresh(oldest.refresh_token)).status).toBe(400)
  })
})

describe('POST /auth/password', () => {
  const NEXT = 'another staple, longer'
  const change = (accessToken: string, body: object) =>
    withToken(accessToken, '/auth/password', {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    })

  test('changes the password of who knows the present one, and ends his other sessions at once', async () => {
    const user = await createUser()
    const [mine, other] = [await signedIn(user.email), await signedIn(user.email)]
    const changed = await change(mine.access_token, { current: PASSWORD, new: NEXT })
    expect([changed.status, await changed.json()]).toEqual([200, user])
    expect((await signIn(user.email)).status).toBe(400)
    expect((await signIn(user.email, NEXT)).status).toBe(200)
    expect((await withToken(mine.access_token, '/auth/me')).status).toBe(200)
    expect((await refresh(mine.refresh_token)).status).toBe(200)
    expect((await withToken(other.access_token, '/auth/me')).status).toBe(401)
    expect((await refresh(other.refresh_token)).status).toBe(400)
  })

  test('is no way to guess faster than at the door: wrong tries count for the account', async () => {
    const { email } = await createUser()
    const { access_token } = await signedIn(email)
    for (let wrong = 0; wrong < 5; wrong++) {
      const refused = await change(access_token, { current: `wrong ${wrong}`, new: NEXT })
      expect([refused.status, await codeOf(refused)]).toEqual([400, 'invalid_request'])
    }
    const locked = await change(access_token, { current: PASSWORD, new: NEXT })
    expect([locked.status, await codeOf(locked)]).toEqual([429, 'rate_limited'])
    expect(locked.headers.get('retry-after')).not.toBeNull()
    expect((await signIn(email)).status).toBe(400)
    // Nine hashes of a password, on a machine that does other things, too.
  }, 30_000)

  test('takes no short password, not the same again, and no key', async () => {
    const { email } = await createUser()
    const { access_token } = await signedIn(email)
    for (const wrong of [{ current: PASSWORD, new: 'short' }, { current: PASSWORD, new: PASSWORD }, { new: NEXT }]) {
      const refused = await change(access_token, wrong)
      expect([refused.status, await codeOf(refused)]).toEqual([400, 'invalid_request'])
    }
    expect((await signIn(email)).status).toBe(200)
    expect(await codeOf(await api.post('/auth/password', { current: PASSWORD, new: NEXT }))).toBe('invalid_request')
  })
})

describe('POST /auth/logout', () => {
  const logout = (accessToken: string, body?: string) =>
    withToken(accessToken, '/auth/logout', {
      method: 'POST',
      ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
    })

  test('ends the session: its access token and its refresh token', async () => {
    const { email } = await createUser()
    const [gone, other] = [await signedIn(email), await signedIn(email)]
    const response = await logout(gone.access_token, '')
    expect([response.status, await response.json()]).toEqual([200, { object: 'session.deleted', deleted: true }])
    expect((await withToken(gone.access_token, '/auth/me')).status).toBe(401)
    expect((await refresh(gone.refresh_token)).status).toBe(400)
    expect((await withToken(other.access_token, '/auth/me')).status).toBe(200)
  })

  test('ends all sessions of the user when asked to', async () => {
    const { email } = await createUser()
    const [one, other] = [await signedIn(email), await signedIn(email)]
    expect((await logout(one.access_token, '{"everywhere":1}')).status).toBe(400)
    expect((await logout(one.access_token, '{"everywhere":true}')).status).toBe(200)
    expect((await withToken(other.access_token, '/auth/me')).status).toBe(401)
    expect((await logout(other.access_token)).status).toBe(401)
  })

  test('is for sessions: a key has none', async () => {
    expect(await codeOf(await api.post('/auth/logout', '{}'))).toBe('invalid_request')
    const me = principalSchema.parse(await (await api.get('/auth/me')).json())
    expect(me).toMatchObject({ key_id: 'key_default', user_id: null, user: null })
  })
})

describe('who guesses', () => {
  const guess = (email: string) => signIn(email, 'a wrong guess')

  test('must wait at the account, longer each time, whichever address and isolate he uses; the right password too', async () => {
    const { email } = await createUser()
    for (let i = 0; i < 5; i++) {
      address = `198.51.100.${i}`
      expect((await guess(email)).headers.get('retry-after')).toBeNull()
    }
    address = '198.51.100.99'
    const locked = await signIn(email, PASSWORD, edge(SETTINGS))
    expect(locked.status).toBe(400)
    expect(await locked.json()).toMatchObject({ error: 'invalid_grant' })
    expect(Number(locked.headers.get('retry-after'))).toBe(2)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2_000 })
    expect((await guess(email)).headers.get('retry-after')).toBeNull()
    expect(Number((await guess(email)).headers.get('retry-after'))).toBe(4)
    vi.setSystemTime(Date.now() + 4_000)
    expect((await signIn(email)).status).toBe(200)
    // Who was right starts anew.
    expect((await guess(email)).headers.get('retry-after')).toBeNull()
    expect((await guess(email)).headers.get('retry-after')).toBeNull()
  })

  test('waits at an account that does not exist just as at one that does', async () => {
    const email = newEmail()
    for (let i = 0; i < 5; i++) expect((await guess(email)).headers.get('retry-after')).toBeNull()
    expect((await guess(email)).headers.get('retry-after')).toBe('2')
  })

  test('gets no more tries by sending many at once', async () => {
    const { email } = await createUser()
    const answers = await Promise.all(Array.from({ length: 30 }, () => guess(email)))
    expect(answers.filter((response) => response.headers.get('retry-after') === null)).toHaveLength(5)
  })

  test('must wait at the address, however many accounts he tries, and an IPv6 network is one address', async () => {
    const tried = env.SIGN_IN_GUARD
    const names: string[] = []
    vi.spyOn(tried, 'getByName').mockImplementation((name) => {
      names.push(name)
      // Sound: the two methods that are called.
      return { enter: async () => ({ allowed: false, retryAfterSeconds: 9 }), forgive: async () => undefined } as never
    })
    const answers: Response[] = []
    for (address of ['2001:db8::1', '2001:DB8:0:0:ffff::2', '2001:db8:0:1::1']) answers.push(await guess(newEmail()))
    for (const response of answers) {
      expect([response.status, response.headers.get('retry-after')]).toEqual([429, '9'])
    }
    // A try that the address may not make is none at the account.
    expect(names.every((name) => name.startsWith('address/'))).toBe(true)
    expect(names).toHaveLength(3)
    expect(new Set(names).size).toBe(2)
  })

  test('is not let in while nobody counts', async () => {
    const { email } = await createUser()
    vi.spyOn(env.SIGN_IN_GUARD, 'getByName').mockReturnValue({
      enter: () => Promise.reject(new Error('the object is at 10.0.0.1')),
    } as never)
    const response = await signIn(email)
    expect(response.status).toBe(503)
    expect(await response.text()).not.toContain('10.0.0.1')
  })
})

describe('POST /auth/register', () => {
  const open = edge({ ...SETTINGS, PERIGEE_SELF_REGISTRATION: 'on' })
  const register = (by: Edge, fields: Record<string, unknown> = {}) =>
    by.fetch('/auth/register', {
      method: 'POST',
      body: JSON.stringify({ email: newEmail(), password: PASSWORD, ...fields }),
      headers: { 'content-type': 'application/json', 'cf-connecting-ip': address },
    })

  test('is not there unless a setting says so', async () => {
    const response = await register(api)
    expect([response.status, await codeOf(response)]).toEqual([404, 'not_found'])
  })

  test('makes a member of the default tenant, whatever else is asked for', async () => {
    const user = userSchema.parse(await (await register(open)).json())
    expect(user).toMatchObject({ role: 'member', tenant_id: 'tnt_default', status: 'active' })
    expect((await register(open, { role: 'owner' })).status).toBe(400)
    expect((await signIn(user.email)).status).toBe(200)
    expect((await register(open, { email: user.email })).status).toBe(409)
  })

  test('makes ten accounts an address, then asks to wait', async () => {
    const email = (await createUser()).email
    for (let i = 0; i < 10; i++) expect((await register(open, { email })).status).toBe(409)
    const response = await register(open, { email })
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '60'])
    expect(await codeOf(response)).toBe('rate_limited')
  })
})
