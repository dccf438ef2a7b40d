/** Which limits hold for whom, and what a request is estimated at. */
import { describe, expect, test } from 'vitest'
import type { Principal } from '../../../src/chat/ports.ts'
import { durationText, limitHeadersOf } from '../../../src/http/middleware/limit-headers.ts'
import { estimateTokens } from '../../../src/limits/estimate-tokens.ts'
import { limitPlans } from '../../../src/limits/limit-plans.ts'
import { DEFAULT_LIMITS, developmentLimits, type LimitRule, rulesFor } from '../../../src/limits/limit-rules.ts'

const rule = (more: Partial<LimitRule>): LimitRule => {
  return { dimension: 'key', subject: '*', kind: 'requests', amount: 1, windowMs: 60_000, ...more }
}
const server: Principal = { tenantId: 'tnt_a', keyId: 'key_1', scopes: ['chat'] }
const user: Principal = { ...server, userId: 'usr_1' }

describe('the rule that holds', () => {
  const wanted = { dimension: 'key', kind: 'requests', subject: 'key_1' } as const

  test('is the one that names the subject, else the one for each, all of its windows', () => {
    const each = [rule({ amount: 1 }), rule({ amount: 2, windowMs: 3_600_000 })]
    const own = rule({ subject: 'key_1', amount: 3 })
    const others = [rule({ subject: 'key_2' }), rule({ kind: 'tokens' }), rule({ dimension: 'user' })]
    expect(rulesFor([...others, ...each, own], [], wanted)).toEqual([own])
    expect(rulesFor([...others, ...each], [], wanted)).toEqual(each)
    expect(rulesFor(others, [], wanted)).toEqual([])
  })

  test("is the tenant's before the shipped one", () => {
    const endpoint = { dimension: 'endpoint', kind: 'requests', subject: 'POST /chat' } as const
    expect(rulesFor([], DEFAULT_LIMITS, endpoint)).toMatchObject([{ amount: 100, windowMs: 3_600_000 }])
    const own = rule({ dimension: 'endpoint', amount: 5 })
    expect(rulesFor([own], DEFAULT_LIMITS, endpoint)).toEqual([own])
    expect(rulesFor([], DEFAULT_LIMITS, { ...endpoint, subject: 'GET /metrics' })).toMatchObject([{ amount: 720 }])
    expect(rulesFor([], developmentLimits(9), endpoint)).toMatchObject([{ amount: 9 }])
  })
})

describe('a plan', () => {
  const plans = limitPlans(() => DEFAULT_LIMITS)
  const all = (['tenant', 'key', 'user', 'endpoint'] as const).map((dimension) => rule({ dimension }))
  const owners = (principal: Principal, endpoint = 'POST /chat') =>
    plans.ofRequest(all, principal, endpoint).spends.map(({ counter }) => counter.owner)

  test('counts a token for its user and a server key for itself, and has the tenant in every name', () => {
    expect(owners(user)).toEqual(['tnt_a/tenant', 'tnt_a/key/key_1', 'tnt_a/user/usr_1', 'tnt_a/user/usr_1'])
    expect(owners(server)).toEqual(['tnt_a/tenant', 'tnt_a/key/key_1', 'tnt_a/key/key_1', 'tnt_a/key/key_1'])
    expect(owners({ ...user, userId: '../key/key_1' })[2]).toBe('tnt_a/user/..%2Fkey%2Fkey_1')
  })

  test('has a counter of its own for each rule', () => {
    const names = plans
      .ofRequest(all, server, 'POST /chat')
      .spends.map(({ counter }) => `${counter.owner}:${counter.name}`)
    expect(new Set(names).size).toBe(4)
  })

  test('of a body’s user is a part of the key’s, in the key’s object', () => {
    const { spends } = plans.ofEndUser([rule({ dimension: 'end_user' })], server, 'ada/..')
    expect(spends).toMatchObject([{ counter: { owner: 'tnt_a/key/key_1', name: expect.stringContaining('ada%2F..') } }])
    expect(plans.ofEndUser([], server, 'ada').spends).toEqual([])
  })

  test('of the routes that set limits follows the shipped ones alone, so that nobody locks himself out', () => {
    const none = [rule({ dimension: 'endpoint', amount: 1 }), rule({ dimension: 'tenant', amount: 1 })]
    expect(plans.ofRequest(none, server, 'PATCH /admin/limits/:id').spends).toMatchObject([
      { counter: { amount: 100 } },
    ])
    expect(plans.ofRequest(none, server, 'GET /admin/limitsx').spends).toMatchObject([{ counter: { amount: 1 } }, {}])
  })

  test('is made once, and again when the rules change', () => {
    const first = plans.ofRequest(all, server, 'POST /chat')
    expect(plans.ofRequest(all, server, 'POST /chat')).toBe(first)
    expect(plans.knownRequest(server, 'POST /chat')).toBe(first)
    expect(plans.ofRequest([...all], server, 'POST /chat')).not.toBe(first)
  })
})

test.each([
  [{ kind: 'chat', body: { model: 'm', messages: [{ role: 'user', content: 'x'.repeat(400) }], max_tokens: 50 } }, 154],
  [{ kind: 'chat', body: { model: 'm', messages: [{ role: 'user', content: 'x'.repeat(400) }], n: 2 } }, 616],
  [
    {
      kind: 'chat',
      body: {
        model: 'm',
        messages: [{ role: 'user', content: [{ type: 'text', text: 'x'.repeat(40) }, { type: 'image_url' }] }],
        max_tokens: 1,
      },
    },
    271,
  ],
  [{ kind: 'text', body: { model: 'm', prompt: [1, 2, 3], max_tokens: 10_000 } }, 259],
  [{ kind: 'text', body: { model: 'm', prompt: ['x'.repeat(40)], max_tokens: 5 } }, 15],
] as const)('a request is estimated from its text and what an answer usually has: %#', (request, tokens) => {
  // Sound: shorter than the schema's type, which has every field.
  expect(estimateTokens(request as unknown as Parameters<typeof estimateTokens>[0])).toBe(tokens)
})

test('headers tell of every limit, and of the tightest as OpenAI does', () => {
  const standing = {
    policy: 'key-requests-60s',
    kind: 'requests',
    limit: 60,
    windowSeconds: 60,
    remaining: 9,
    resetMs: 20_001,
  } as const
  const headers = limitHeadersOf([
    standing,
    {
      ...standing,
      policy: 'tenant-requests-3600s',
      limit: 1_000,
      windowSeconds: 3_600,
      remaining: 4,
      resetMs: 3_599_000,
    },
    { ...standing, policy: 'key-tokens-60s', kind: 'tokens', limit: 5_000, remaining: 4_000, resetMs: 400 },
  ])
  expect(headers).toEqual({
    'ratelimit-policy':
      '"key-requests-60s";q=60;w=60, "tenant-requests-3600s";q=1000;w=3600, "key-tokens-60s";q=5000;w=60;qu="tokens"',
    ratelimit: '"key-requests-60s";r=9;t=21, "tenant-requests-3600s";r=4;t=3599, "key-tokens-60s";r=4000;t=1',
    'x-ratelimit-limit-requests': '1000',
    'x-ratelimit-remaining-requests': '4',
    'x-ratelimit-reset-requests': '59m59s',
    'x-ratelimit-limit-tokens': '5000',
    'x-ratelimit-remaining-tokens': '4000',
    'x-ratelimit-reset-tokens': '400ms',
  })
  expect([1_000, 59_001, 360_000, 3_723_000].map(durationText)).toEqual(['1s', '1m0s', '6m0s', '1h2m3s'])
})
