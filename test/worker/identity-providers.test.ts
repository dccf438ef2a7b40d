/**
 * Tokens of outside identity providers, end to end: real signatures, real D1, and a provider that answers for its key set as one
 * would. Runs in workerd.
 */
import { env } from 'cloudflare:workers'
import { exportJWK, type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { ROLE_SCOPES, scopesOfRole } from '../../src/auth/roles.ts'
import { tenantStore } from '../../src/auth/tenant-store.ts'
import type { IdentityProviderObject } from '../../src/contract/identity-providers.ts'
import {
  identityProviderListSchema,
  identityProviderSchema,
  principalSchema,
} from '../../src/http/openapi/user-schemas.ts'
import { codeOf, edge } from './edge-client.ts'

type Algorithm = 'RS256' | 'ES256' | 'EdDSA'
const PARAMETERS = {
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  EdDSA: { name: 'Ed25519' },
} as const

type Signer = { alg: Algorithm; kid: string; privateKey: CryptoKey; jwk: Record<string, unknown> }

async function makeSigner(alg: Algorithm, kid: string): Promise<Signer> {
  // Sound: asymmetric algorithms give pairs.
  const pair = (await crypto.subtle.generateKey(PARAMETERS[alg], true, ['sign', 'verify'])) as CryptoKeyPair
  return { alg, kid, privateKey: pair.privateKey, jwk: { ...(await exportJWK(pair.publicKey)), kid, alg, use: 'sig' } }
}

const signers = {
  RS256: await makeSigner('RS256', 'rsa-1'),
  ES256: await makeSigner('ES256', 'ec-1'),
  EdDSA: await makeSigner('EdDSA', 'ed-1'),
}

const ISSUER = 'https://login.example.org/'
const AUDIENCE = 'perigee'
const SECRET = 'a secret that only this test knows, 2026'

/** The provider's server, by URL. Each test has its own. */
let count = 0
let jwksUri = ''
let keys: Record<string, unknown>[] = []
let answer: () => Response | Promise<Response>
let asked = 0

const api = edge({ PERIGEE_TOKEN_SECRET: SECRET })
/** An isolate of its own, which remembers nothing yet. */
const isolate = () => edge({ PERIGEE_TOKEN_SECRET: SECRET })

beforeAll(async () => {
  for (const id of ['tnt_blue', 'tnt_red', 'tnt_late']) await tenantStore(env.DB).insert(id, id, 0)
})
beforeEach(() => {
  jwksUri = `https://login.example.org/keys/${++count}`
  keys = Object.values(signers).map(({ jwk }) => jwk)
  answer = () => Response.json({ keys })
  asked = 0
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    expect(url).toBe(jwksUri)
    expect(init.redirect).toBe('manual')
    asked += 1
    return answer()
  })
})
afterEach(async () => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
  vi.restoreAllMocks()
  for (const { id } of (await (await api.get('/admin/identity-providers')).json<{ data: { id: string }[] }>()).data) {
    await api.post(`/admin/identity-providers/${id}`, '', { method: 'DELETE', body: null })
  }
})

async function trust(fields: Record<string, unknown> = {}): Promise<IdentityProviderObject> {
  const response = await api.post('/admin/identity-providers', {
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks_uri: jwksUri,
    default_role: 'member',
    ...fields,
  })
  expect(response.status).toBe(201)
  return identityProviderSchema.parse(await response.json())
}

type Shape = { claims?: JWTPayload; header?: Partial<JWTHeaderParameters>; signer?: Signer; leaveOut?: string[] }

function makeToken({ claims = {}, header = {}, signer = signers.RS256, leaveOut = [] }: Shape = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1_000)
  const payload = { iss: ISSUER, aud: AUDIENCE, sub: 'ada', iat: now, exp: now + 300, ...claims }
  for (const name of leaveOut) delete payload[name as keyof typeof payload]
  return new SignJWT(payload)
    .setProtectedHeader({ alg: signer.alg, kid: signer.kid, ...header })
    .sign(signer.privateKey, { crit: { 'urn:x': false, b64: false } })
}

const call = (token: string, by = api, path = '/auth/me') =>
  by.fetch(path, { headers: { authorization: `Bearer ${token}` } })

const base64url = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

describe('a token of an outside provider', () => {
  test.each(Object.values(signers))('signed with $alg is accepted wherever a key is', async (signer) => {
    const provider = await trust()
    const token = await makeToken({ signer })
    expect((await call(token, api, '/v1/models')).status).toBe(200)
    expect((await call(token, api, '/metrics')).status).toBe(403)
    expect(principalSchema.parse(await (await call(token)).json())).toEqual({
      object: 'principal',
      tenant_id: 'tnt_default',
      key_id: provider.id,
      user_id: `${provider.id}:ada`,
      scopes: ROLE_SCOPES.member,
      user: null,
    })
  })

  test('may have many audiences, and a clock that is half a minute off', async () => {
    await trust()
    const now = Math.floor(Date.now() / 1_000)
    expect((await call(await makeToken({ claims: { aud: ['other', AUDIENCE] } }))).status).toBe(200)
    expect((await call(await makeToken({ claims: { nbf: now + 25, exp: now + 60 } }))).status).toBe(200)
    expect((await call(await makeToken({ header: { typ: 'at+jwt' } }))).status).toBe(200)
  })

  const now = () => Math.floor(Date.now() / 1_000)
  test.each<[string, () => Promise<string> | string]>([
    ['another audience', () => makeToken({ claims: { aud: 'another' } })],
    ['no audience', () => makeToken({ leaveOut: ['aud'] })],
    ['another issuer', () => makeToken({ claims: { iss: 'https://login.example.org' } })],
    ['no issuer', () => makeToken({ leaveOut: ['iss'] })],
    ['a time that is over', () => makeToken({ claims: { iat: now() - 600, exp: now() - 31 } })],
    ['no end', () => makeToken({ leaveOut: ['exp'] })],
    ['a time to come', () => makeToken({ claims: { nbf: now() + 60 } })],
    ['no subject', () => makeToken({ leaveOut: ['sub'] })],
    ['an endless subject', () => makeToken({ claims: { sub: 'x'.repeat(256) } })],
    ['a header crit', () => makeToken({ header: { crit: ['urn:x'], 'urn:x': true } })],
    ['a header b64', () => makeToken({ header: { crit: ['b64'], b64: true } })],
    ['a key of its own (jwk)', () => makeToken({ header: { jwk: signers.RS256.jwk } })],
    ['a place of keys of its own (jku)', () => makeToken({ header: { jku: jwksUri } })],
    ['a certificate of its own (x5c)', () => makeToken({ header: { x5c: ['MIIB'] } })],
    ['the type of another kind of token', () => makeToken({ header: { typ: 'logout+jwt' } })],
    ['more than 8,192 characters', () => makeToken({ claims: { filler: 'x'.repeat(8_192) } })],
    [
      'the signature of another key of the same name',
      async () => makeToken({ signer: await makeSigner('RS256', 'rsa-1') }),
    ],
    ['a name of a key that signs otherwise', () => makeToken({ signer: { ...signers.ES256, kid: 'rsa-1' } })],
    [
      'another payload',
      async () => {
        const [header, , signature] = (await makeToken()).split('.')
        return `${header}.${base64url({ iss: ISSUER, aud: AUDIENCE, sub: 'eve', exp: now() + 300 })}.${signature}`
      },
    ],
    ['no signature', async () => `${(await makeToken()).split('.').slice(0, 2).join('.')}.AA`],
    ['five parts', async () => `${await makeToken()}.a.b`],
    ['parts that are no JSON', () => 'bm9uc2Vuc2U.bm9uc2Vuc2U.bm9uc2Vuc2U'],
    ['parts that are JSON but no objects', () => 'bnVsbA.bnVsbA.bnVsbA'],
  ])('with %s is refused', async (_, make) => {
    await trust()
    const response = await call(await make())
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="perigee", error="invalid_token"')
  })

  test('of the algorithm `none`, in whatever case, is refused', async () => {
    await trust()
    const payload = base64url({ iss: ISSUER, aud: AUDIENCE, sub: 'eve', exp: 4e9 })
    for (const alg of ['none', 'None', 'NONE', 'nOnE']) {
      const head = base64url({ alg })
      for (const end of ['', 'AA']) expect((await call(`${head}.${payload}.${end}`)).status, alg).toBe(401)
    }
    expect(asked).toBe(0)
  })

  test('signed with HS256 by what is public of the provider is refused, as an outside token and as one of ours', async () => {
    await trust()
    const spki = await crypto.subtle
      .importKey('jwk', signers.RS256.jwk as unknown as JsonWebKey, PARAMETERS.RS256, true, ['verify'])
      .then((key) => crypto.subtle.exportKey('spki', key) as Promise<ArrayBuffer>)
    const body = Buffer.from(spki).toString('base64')
    const pem = `-----BEGIN PUBLIC KEY-----\n${body.match(/.{1,64}/g)?.join('\n')}\n-----END PUBLIC KEY-----\n`
    for (const secret of [pem, pem.trim(), body, new Uint8Array(spki), JSON.stringify(signers.RS256.jwk)]) {
      const bytes = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret
      for (const header of [
        { alg: 'HS256', typ: 'JWT' },
        { alg: 'HS256', kid: 'rsa-1' },
      ]) {
        const token = await new SignJWT({ iss: ISSUER, aud: AUDIENCE, sub: 'eve', exp: 4e9 })
          .setProtectedHeader(header)
          .sign(bytes)
        expect((await call(token)).status).toBe(401)
      }
    }
  })

  test('that comes twice in one request is refused', async () => {
    await trust()
    const token = await makeToken()
    const headers = new Headers({ authorization: `Bearer ${token}` })
    headers.append('authorization', `Bearer ${token}`)
    expect((await api.fetch('/auth/me', { headers })).status).toBe(401)
    expect((await call(token)).status).toBe(200)
  })

  test('is not accepted where nobody is trusted, and nobody is asked', async () => {
    expect((await call(await makeToken())).status).toBe(401)
    await trust({ issuer: 'https://other.example.org/' })
    expect((await call(await makeToken())).status).toBe(401)
    expect(asked).toBe(0)
  })

  test('never becomes one of our users, nor one of another provider, by its subject', async () => {
    const provider = await trust()
    const token = await makeToken({ claims: { sub: 'usr_0VbtSDMxID4JrBTPk9dRjanq8xykVA' } })
    const me = principalSchema.parse(await (await call(token)).json())
    expect(me).toMatchObject({ user_id: `${provider.id}:usr_0VbtSDMxID4JrBTPk9dRjanq8xykVA`, user: null })
    expect(
      (await api.fetch('/auth/logout', { method: 'POST', headers: { authorization: `Bearer ${token}` } })).status,
    ).toBe(400)
  })
})

describe('a mapping', () => {
  const who = async (claims: JWTPayload) => {
    const response = await call(await makeToken({ claims }))
    return response.status === 200 ? response.json<{ tenant_id: string; scopes: string[] }>() : response.status
  }

  test('gives the role that may most of those that the token has, else the default, else nothing', async () => {
    const roles = { staff: 'member', leads: 'admin' }
    const { id } = await trust({ role_claim: 'groups', roles, default_role: null })
    expect(await who({ groups: ['staff', 'leads', 'others'] })).toMatchObject({ scopes: ROLE_SCOPES.admin })
    expect(await who({ groups: 'staff' })).toMatchObject({ scopes: ROLE_SCOPES.member })
    expect(await who({ groups: ['others'] })).toBe(401)
    expect(await who({ groups: ['constructor', '__proto__'] })).toBe(401)
    expect(await who({})).toBe(401)
    await api.post(`/admin/identity-providers/${id}`, { default_role: 'viewer' }, { method: 'PATCH' })
    expect(await who({})).toMatchObject({ scopes: ROLE_SCOPES.viewer })
  })

  test('finds a claim inside another, and one whose name has dots', async () => {
    await trust({ role_claim: 'realm_access.roles', roles: { llm: 'developer' }, default_role: null })
    expect(await who({ realm_access: { roles: ['llm'] } })).toMatchObject({ scopes: ROLE_SCOPES.developer })
    expect(await who({ 'realm_access.roles': 'llm' })).toMatchObject({ scopes: ROLE_SCOPES.developer })
    expect(await who({ realm_access: ['llm'] })).toBe(401)
  })

  test('gives the tenant that the token names, and refuses who names none or two', async () => {
    await trust({ tenant_claim: 'org', tenants: { blue: 'tnt_blue', red: 'tnt_red' } })
    expect(await who({ org: 'blue' })).toMatchObject({ tenant_id: 'tnt_blue' })
    expect(await who({ org: ['red'] })).toMatchObject({ tenant_id: 'tnt_red' })
    expect(await who({ org: ['red', 'blue'] })).toBe(401)
    expect(await who({ org: 'tnt_blue' })).toBe(401)
    expect(await who({})).toBe(401)
  })

  test('to a suspended or deleted tenant lets nobody in, everywhere within 10 s, and keeps nobody else out', async () => {
    await trust({ tenant_claim: 'org', tenants: { late: 'tnt_late', red: 'tnt_red' } })
    const elsewhere = isolate()
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
    // Tokens that were verified and are remembered.
    const [late, red] = [await makeToken({ claims: { org: 'late' } }), await makeToken({ claims: { org: 'red' } })]
    const statuses = () => Promise.all([late, red].map(async (token) => (await call(token, elsewhere)).status))
    const write = async (method: string, body: string | null) => {
      expect((await api.post('/admin/tenants/tnt_late', '', { method, body })).status).toBe(200)
      vi.setSystemTime(Date.now() + 10_000)
    }
    expect(await statuses()).toEqual([200, 200])
    await write('PATCH', '{"status":"suspended"}')
    expect(await statuses()).toEqual([401, 200])
    await write('PATCH', '{"status":"active"}')
    expect(await statuses()).toEqual([200, 200])
    await write('DELETE', null)
    expect(await statuses()).toEqual([401, 200])
  })
})

describe('the keys of a provider', () => {
  const hour = 3_600_000

  test('are fetched once for many tokens', async () => {
    await trust()
    const fresh = isolate()
    for (let i = 0; i < 5; i++)
      expect((await call(await makeToken({ claims: { sub: `s${i}` } }), fresh)).status).toBe(200)
    expect(asked).toBe(1)
  })

  test('are fetched again for a key that is not known: a rotation needs no restart, and inventing names makes few calls', async () => {
    await trust()
    const fresh = isolate()
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
    expect((await call(await makeToken(), fresh)).status).toBe(200)
    const next = await makeSigner('ES256', 'ec-2')
    keys = [next.jwk]
    const forged = await makeSigner('ES256', 'made-up')
    for (let i = 0; i < 20; i++) expect((await call(await makeToken({ signer: forged }), fresh)).status).toBe(401)
    expect(asked).toBe(1)
    vi.setSystemTime(Date.now() + 30_000)
    const many = await Promise.all(
      Array.from({ length: 20 }, async (_, i) =>
        call(await makeToken({ signer: next, claims: { sub: `${i}` } }), fresh),
      ),
    )
    expect(many.map(({ status }) => status)).toEqual(Array(20).fill(200))
    expect(asked).toBe(2)
    // What the old key signed is good no more, though it was verified before.
    expect((await call(await makeToken(), fresh)).status).toBe(401)
  })

  test('that were taken away make a token invalid that was verified and remembered', async () => {
    await trust()
    const fresh = isolate()
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
    const token = await makeToken({ claims: { exp: Math.floor(Date.now() / 1_000) + 7_200 } })
    const verify = vi.spyOn(crypto.subtle, 'verify')
    expect((await call(token, fresh)).status).toBe(200)
    expect((await call(token, fresh)).status).toBe(200)
    // The usual request checks no signature.
    expect(verify).toHaveBeenCalledTimes(1)
    keys = [signers.ES256.jwk]
    vi.setSystemTime(Date.now() + 601_000)
    expect((await call(token, fresh)).status).toBe(200)
    // Renewed in the background, beside the answer.
    await vi.waitFor(async () => expect((await call(token, fresh)).status).toBe(401))
    expect(asked).toBe(2)
  })

  test('serve for an hour while the provider is down, then nobody is let in', async () => {
    await trust()
    const fresh = isolate()
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
    const log = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    expect((await call(await makeToken(), fresh)).status).toBe(200)
    answer = () => Promise.reject(new Error('connection refused'))
    vi.setSystemTime(Date.now() + hour - 1_000)
    for (let i = 0; i < 5; i++)
      expect((await call(await makeToken({ claims: { sub: `s${i}` } }), fresh)).status).toBe(200)
    expect(asked).toBe(2)
    vi.setSystemTime(Date.now() + 31_000)
    const refused = await call(await makeToken(), fresh)
    expect([refused.status, await codeOf(refused)]).toEqual([503, 'store_unavailable'])
    // And it is not asked for each request.
    for (let i = 0; i < 5; i++) await call(await makeToken(), fresh)
    expect(asked).toBe(3)
    answer = () => Response.json({ keys })
    vi.setSystemTime(Date.now() + 5_000)
    expect((await call(await makeToken(), fresh)).status).toBe(200)
    expect(log).toHaveBeenCalled()
  })

  const symmetric = { kty: 'oct', k: base64url('the secret of somebody'), kid: 'rsa-1', alg: 'HS256' }
  test.each<[string, () => Response]>([
    ['an error', () => new Response('no', { status: 500 })],
    ['a redirect', () => new Response(null, { status: 302, headers: { location: 'https://evil.example/' } })],
    ['no JSON', () => new Response('<html>')],
    ['another document', () => Response.json({ issuer: ISSUER })],
    ['more than 128 KiB', () => Response.json({ keys, filler: 'x'.repeat(131_072) })],
    ['more than 100 keys', () => Response.json({ keys: Array(101).fill(signers.RS256.jwk) })],
  ])('that come as %s are none', async (_, give) => {
    await trust()
    answer = give
    vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    expect((await call(await makeToken(), isolate())).status).toBe(503)
    expect(asked).toBe(1)
  })

  test('that are secrets, for encryption, or of other curves are left out, and the others serve', async () => {
    await trust()
    answer = () => Response.json({ keys: [symmetric, { kty: 'EC', crv: 'P-384' }, 7, null, ...keys] })
    expect((await call(await makeToken(), isolate())).status).toBe(200)
    answer = () => Response.json({ keys: [{ ...signers.RS256.jwk, use: 'enc' }] })
    expect((await call(await makeToken(), isolate())).status).toBe(401)
    answer = () => Response.json({ keys: [symmetric] })
    expect((await call(await makeToken(), isolate())).status).toBe(401)
  })
})

describe('/admin/identity-providers', () => {
  const PROVIDERS = '/admin/identity-providers'
  const valid = { issuer: ISSUER, audience: AUDIENCE, jwks_uri: 'https://login.example.org/keys' }

  test('has one of an issuer and audience, shows, lists, changes and deletes it', async () => {
    const provider = await trust({ tenant_id: 'tnt_blue' })
    expect(provider).toMatchObject({ tenant_id: 'tnt_blue', status: 'active', roles: {}, tenant_claim: null })
    expect(await codeOf(await api.post(PROVIDERS, valid))).toBe('already_exists')
    expect((await api.post(PROVIDERS, { ...valid, audience: 'another' })).status).toBe(201)
    const list = identityProviderListSchema.parse(await (await api.get(PROVIDERS)).json())
    expect(list.data).toHaveLength(2)
    const path = `${PROVIDERS}/${provider.id}`
    expect(identityProviderSchema.parse(await (await api.get(path)).json())).toEqual(provider)
    const changed = await api.post(path, { status: 'disabled', role_claim: 'groups' }, { method: 'PATCH' })
    expect(await changed.json()).toEqual({ ...provider, status: 'disabled', role_claim: 'groups' })
    expect((await api.post(path, '', { method: 'DELETE', body: null })).status).toBe(200)
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const body = method === 'PATCH' ? '{"status":"active"}' : null
      expect(await codeOf(await api.post(path, '', { method, body }))).toBe('resource_not_found')
    }
  })

  test('that is disabled, changed or deleted reaches tokens that are out within 10 s, also where it is not told', async () => {
    const provider = await trust({ default_role: 'admin' })
    const elsewhere = isolate()
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
    const token = await makeToken()
    const status = async () => (await call(token, elsewhere, '/admin/users')).status
    const change = (fields: unknown) => api.post(`${PROVIDERS}/${provider.id}`, fields, { method: 'PATCH' })
    expect(await status()).toBe(200)
    for (const [fields, expected] of [
      [{ default_role: 'member' }, 403],
      [{ default_role: 'admin' }, 200],
      [{ status: 'disabled' }, 401],
      [{ status: 'active' }, 200],
    ] as const) {
      expect((await change(fields)).status).toBe(200)
      vi.setSystemTime(Date.now() + 10_000)
      expect(await status(), JSON.stringify(fields)).toBe(expected)
    }
    await api.post(`${PROVIDERS}/${provider.id}`, '', { method: 'DELETE', body: null })
    vi.setSystemTime(Date.now() + 10_000)
    expect(await status()).toBe(401)
  })

  test('is for who runs the installation: neither its admins nor the owner of a tenant may', async () => {
    for (const [tenantId, scopes] of [
      ['tnt_default', ROLE_SCOPES.admin],
      ['tnt_blue', scopesOfRole('owner', 'tnt_blue')],
    ] as const) {
      const other = edge({}, () => ({ keys: { find: async () => ({ tenantId, keyId: 'k', scopes }) } }))
      expect(await codeOf(await other.post(PROVIDERS, valid))).toBe('permission_denied')
      expect((await other.get(PROVIDERS)).status).toBe(403)
    }
  })

  test.each([
    ['http://login.example.org/keys', 400],
    ['http://127.0.0.1.evil.example/keys', 400],
    ['http://localhost@evil.example/', 400],
    ['ftp://login.example.org/', 400],
    ['nonsense', 400],
    ['http://127.0.0.1:9000/keys', 201],
    ['http://localhost/keys', 201],
  ])('takes keys from %s: %i', async (jwks_uri, status) => {
    expect((await api.post(PROVIDERS, { ...valid, jwks_uri })).status).toBe(status)
  })

  test('refuses tenants that are not there, when it is made and when it is changed', async () => {
    const missing = { tenants: { a: 'tnt_blue', b: 'tnt_nowhere' } }
    const { id } = await trust()
    for (const response of [
      await api.post(PROVIDERS, { ...valid, audience: 'another', tenant_id: 'tnt_nowhere' }),
      await api.post(PROVIDERS, { ...valid, audience: 'another', ...missing }),
      await api.post(`${PROVIDERS}/${id}`, missing, { method: 'PATCH' }),
    ]) {
      expect([response.status, await codeOf(response)]).toEqual([404, 'resource_not_found'])
    }
  })

  test('refuses roles and tenants that are none', async () => {
    for (const wrong of [
      { roles: { a: 'god' } },
      { tenants: { a: 'blue' } },
      { default_role: 'god' },
      { surprise: 1 },
    ]) {
      expect((await api.post(PROVIDERS, { ...valid, ...wrong })).status).toBe(400)
    }
  })
})
