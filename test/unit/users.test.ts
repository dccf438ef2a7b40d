/** The pure parts of signing in: tokens with a passed clock, the back-off, password hashes, ids, addresses. */
import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { readAccessToken, signAccessToken } from '../../src/auth/access-token.ts'
import { makeId } from '../../src/auth/make-id.ts'
import { principalOfClaims } from '../../src/auth/outside-claims.ts'
import { hashPassword, isWeak, matchesPassword } from '../../src/auth/password-hash.ts'
import type { TrustedProvider } from '../../src/auth/provider-store.ts'
import { makeRefreshToken, parseRefreshToken } from '../../src/auth/refresh-token.ts'
import { ROLE_SCOPES } from '../../src/auth/roles.ts'
import { ACCOUNT_POLICY, ADDRESS_POLICY, type Attempts, admit } from '../../src/auth/sign-in-backoff.ts'
import { emailSchema } from '../../src/contract/users.ts'
import { network } from '../../src/http/caller-address.ts'
import { seededRandom } from '../support/seeded-random.ts'

describe('an access token', () => {
  const secrets = { current: 'the secret of these tests, long enough' }
  const claims = { sub: 'usr_1', sid: 'ses_1', iat: 1_000, exp: 2_800 }
  const token = signAccessToken(claims, secrets)
  const read = (text: string, nowMs = 1_500_000) => readAccessToken(text, secrets, nowMs)
  const [header = '', payload = '', signature = ''] = token.split('.')
  const signed = (head: string, body: unknown) => {
    const text = `${head}.${Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)).toString('base64url')}`
    return `${text}.${createHmac('sha256', secrets.current).update(text).digest('base64url')}`
  }

  test('is a JWT with HS256 that says until when and for whom it is', () => {
    expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual({ alg: 'HS256', typ: 'JWT' })
    expect(signature).toBe(createHmac('sha256', secrets.current).update(`${header}.${payload}`).digest('base64url'))
    expect(read(token)).toEqual(claims)
  })

  test('ends at the very millisecond of its end', () => {
    expect(read(token, 2_799_999)).toEqual(claims)
    expect(read(token, 2_800_000)).toBeUndefined()
  })

  test('with one character changed anywhere is none, also where base64url would mean the same bytes', () => {
    for (let at = 0; at < token.length; at++) {
      for (const other of ['A', 'B', 'w', '-', '.']) {
        if (token[at] === other) continue
        expect(read(token.slice(0, at) + other + token.slice(at + 1)), `${at} ${other}`).toBeUndefined()
      }
    }
    expect(read(`${token}=`)).toBeUndefined()
    expect(read('')).toBeUndefined()
    expect(read(header)).toBeUndefined()
  })

  test('is verified by its secret, the one before, and no other', () => {
    const rotated = { current: 'another secret, as long as the first', previous: secrets.current }
    expect(readAccessToken(token, rotated, 1_500_000)).toEqual(claims)
    expect(signAccessToken(claims, rotated)).not.toBe(token)
    expect(readAccessToken(token, { current: rotated.current }, 1_500_000)).toBeUndefined()
  })

  test('has no other header, however it is signed: the algorithm is not its choice', () => {
    const full = { iss: 'perigee', ...claims }
    expect(read(signed(header, full))).toEqual(claims)
    for (const head of [
      '{"typ":"JWT","alg":"HS256"}',
      '{"alg":"none"}',
      '{"alg":"HS256","typ":"JWT","crit":["exp"]}',
      '{"alg":"HS512","typ":"JWT"}',
    ]) {
      expect(read(signed(Buffer.from(head).toString('base64url'), full)), head).toBeUndefined()
    }
  })

  test('that something else signed with the same secret is none', () => {
    const full = { iss: 'perigee', ...claims }
    for (const other of [
      { ...full, iss: 'other' },
      { ...full, sub: 7 },
      { ...full, sid: undefined },
      { ...full, exp: '2800' },
      { ...full, exp: undefined },
      { ...full, iat: 0.5 },
      null,
      'no json',
    ]) {
      expect(read(signed(header, other)), JSON.stringify(other)).toBeUndefined()
    }
  })
})

describe('a refresh token', () => {
  test('names its session and cannot be guessed', () => {
    const sessionId = makeId('ses', 1)
    const [one, other] = [makeRefreshToken(sessionId), makeRefreshToken(sessionId)]
    expect(parseRefreshToken(one.token)).toEqual({ sessionId, sha256: one.sha256 })
    expect(one.token).not.toBe(other.token)
    for (const wrong of ['', one.token.slice(1), `${one.token}a`, one.token.replace('.', 'x'), 'pgr_ses_.']) {
      expect(parseRefreshToken(wrong)).toBeUndefined()
    }
  })

  test('and every id sorts by its age', () => {
    const times = [1, 61, 62, 63, 3_843, 3_844, 1_700_000_000_000, 1_700_000_000_001, 4_000_000_000_000]
    const ids = times.map((at) => makeId('usr', at))
    expect([...ids].sort()).toEqual(ids)
    for (const id of ids) expect(id).toMatch(/^usr_[0-9A-Za-z]{30}$/)
    expect(makeId('usr', 5)).not.toBe(makeId('usr', 5))
  })
})

describe('the back-off', () => {
  const { free } = ACCOUNT_POLICY
  /** Tries as soon as it may, so often. When each was let in. */
  function tries(count: number): number[] {
    let attempts: Attempts | undefined
    let nowMs = 0
    return Array.from({ length: count }, () => {
      let answer = admit(attempts, ACCOUNT_POLICY, nowMs)
      if (!answer.allowed) {
        expect(admit(attempts, ACCOUNT_POLICY, nowMs + answer.retryAfterMs - 1).allowed).toBe(false)
        nowMs += answer.retryAfterMs
        answer = admit(attempts, ACCOUNT_POLICY, nowMs)
      }
      if (!answer.allowed) throw new Error('Who waited as long as told was refused.')
      attempts = answer.attempts
      return nowMs
    })
  }

  test('lets the first tries in, then waits twice as long each time, up to a quarter of an hour', () => {
    const waits = tries(20).map((at, i, all) => at - (all[i - 1] ?? 0))
    expect(waits.slice(0, free)).toEqual(Array(free).fill(0))
    expect(waits.slice(free, free + 5)).toEqual([2_000, 4_000, 8_000, 16_000, 32_000])
    expect(waits.slice(-3)).toEqual([900_000, 900_000, 900_000])
  })

  test('leaves who guesses at one account less than 120 tries a day', () => {
    expect(tries(200).filter((at) => at < 86_400_000).length).toBeLessThan(120)
  })

  test('is not made longer by who is refused, and is forgotten a day after the last try', () => {
    const attempts = { count: 9, lastAtMs: 0 }
    const first = admit(attempts, ACCOUNT_POLICY, 1_000)
    expect(first).toEqual({ allowed: false, retryAfterMs: 31_000 })
    expect(admit(attempts, ACCOUNT_POLICY, 32_000)).toMatchObject({ allowed: true, attempts: { count: 10 } })
    expect(admit({ count: 1_000, lastAtMs: 0 }, ACCOUNT_POLICY, 86_400_001)).toMatchObject({ attempts: { count: 1 } })
  })

  test('forgets later than it makes anybody wait, whatever the count', () => {
    for (const policy of [ACCOUNT_POLICY, ADDRESS_POLICY]) {
      const answer = admit({ count: Number.MAX_SAFE_INTEGER, lastAtMs: 0 }, policy, 0)
      expect(answer).toEqual({ allowed: false, retryAfterMs: policy.waitMsMax })
      expect(policy.forgetMs).toBeGreaterThan(policy.waitMsMax)
    }
  })

  test('in any order of tries lets in no more than its free ones within the first wait', () => {
    const random = seededRandom(7)
    for (let run = 0; run < 200; run++) {
      let attempts: Attempts | undefined
      let nowMs = 0
      let allowed = 0
      while (nowMs < ACCOUNT_POLICY.firstWaitMs) {
        const answer = admit(attempts, ACCOUNT_POLICY, nowMs)
        if (answer.allowed) {
          allowed += 1
          attempts = answer.attempts
        }
        nowMs += random.below(50)
      }
      expect(allowed).toBeLessThanOrEqual(free)
    }
  })
})

describe('a password', () => {
  const cost = { N: 1_024, r: 8, p: 1 }

  test('matches its hash, and another does not', async () => {
    const stored = await hashPassword('correct horse', cost)
    expect(await matchesPassword('correct horse', stored, cost)).toBe(true)
    for (const wrong of ['correct horsf', 'Correct horse', '', 'correct horse ']) {
      expect(await matchesPassword(wrong, stored, cost)).toBe(false)
    }
    expect(await hashPassword('correct horse', cost)).not.toBe(stored)
  })

  test('is checked with the settings that it was stored with, whatever they are now', async () => {
    const stored = await hashPassword('correct horse', cost)
    expect(await matchesPassword('correct horse', stored, { N: 2_048, r: 8, p: 2 })).toBe(true)
    expect(isWeak(stored, cost)).toBe(false)
    expect(isWeak(stored, { ...cost, p: 2 })).toBe(true)
    expect(isWeak(stored, { ...cost, N: 2_048 })).toBe(true)
    expect(isWeak(await hashPassword('x', { ...cost, p: 3 }), cost)).toBe(false)
  })

  test('of nobody takes as long as a wrong one, and never matches', async () => {
    const heavy = { N: 16_384, r: 8, p: 1 }
    const stored = await hashPassword('correct horse', heavy)
    const cpuOf = async (hash: string | undefined) => {
      const times: number[] = []
      for (let i = 0; i < 5; i++) {
        const startedAt = performance.now()
        expect(await matchesPassword('wrong', hash, heavy)).toBe(false)
        times.push(performance.now() - startedAt)
      }
      return Math.min(...times)
    }
    const [known, unknown] = [await cpuOf(stored), await cpuOf(undefined)]
    // Without the work it would be a thousandth.
    expect(unknown).toBeGreaterThan(known / 4)
    expect(known).toBeGreaterThan(unknown / 4)
  })

  test('stored in an unknown form is an error, not a match', async () => {
    for (const stored of ['', 'plain', 'scrypt$1024$8$1$$', `bcrypt$1024$8$1$${'a'.repeat(22)}$${'a'.repeat(43)}`]) {
      await expect(matchesPassword('plain', stored, cost)).rejects.toThrow('unknown form')
    }
  })
})

test.each([
  [' Ada@Example.ORG\n', 'ada@example.org'],
  ["o'neil+tag@sub.example.co", "o'neil+tag@sub.example.co"],
  ['nobody', undefined],
  ['a@b', undefined],
  ['a@@example.org', undefined],
  ['a b@example.org', undefined],
  ['ä@example.org', undefined],
  ['a@exämple.org', undefined],
  ['a@-example.org', undefined],
  [`${'a'.repeat(65)}@example.org`, undefined],
])('the address %j is kept as %j', (text, kept) => {
  expect(emailSchema.safeParse(text).data).toBe(kept)
})

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:0001:2::9', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['unknown', 'unknown'],
])('the address %s is counted as %s', (address, counted) => {
  expect(network(address)).toBe(counted)
})

test('claims of an outside provider are read as data: no name of a field leads elsewhere', () => {
  const provider: TrustedProvider = {
    id: 'idp_1',
    tenantId: 'tnt_a',
    issuer: 'i',
    audience: 'a',
    jwksUri: 'j',
    status: 'active',
    roleClaim: 'a.b.c',
    roles: { yes: 'viewer' },
    defaultRole: null,
    tenantClaim: null,
    tenants: {},
    createdAtMs: 0,
    updatedAtMs: 0,
    activeTenantIds: ['tnt_a'],
  }
  const of = (claims: Record<string, unknown>, change: Partial<TrustedProvider> = {}) =>
    principalOfClaims({ ...provider, ...change }, claims)
  expect(of({ sub: 's', a: { b: { c: 'yes' } } })).toEqual({
    tenantId: 'tnt_a',
    keyId: 'idp_1',
    userId: 'idp_1:s',
    scopes: ROLE_SCOPES.viewer,
  })
  for (const a of [undefined, null, 7, 'yes', { b: null }, { b: { c: 7 } }, { b: { c: ['no'] } }]) {
    expect(of({ sub: 's', a })).toBeUndefined()
  }
  for (const name of ['constructor', '__proto__', 'toString']) {
    expect(of({ sub: 's', r: name }, { roleClaim: 'r' })).toBeUndefined()
    expect(of({ sub: 's', r: 'yes', t: name }, { roleClaim: 'r', tenantClaim: 't' })).toBeUndefined()
    expect(of({ sub: 's' }, { roleClaim: name })).toBeUndefined()
  }
  expect(of({ sub: 's', a: { b: { c: 'yes' } } }, { activeTenantIds: [] })).toBeUndefined()
  for (const sub of [undefined, '', 7, 'x'.repeat(256)]) expect(of({ sub, a: { b: { c: 'yes' } } })).toBeUndefined()
})
