/** The key of the cache: two requests share an answer exactly when they mean the same. */
import { describe, expect, test } from 'vitest'
import { FIELD_DECISIONS } from '../../../src/cache/field-decisions.ts'
import { requestKey } from '../../../src/cache/request-key.ts'
import type { CacheQuestion } from '../../../src/chat/ports.ts'
import { chatRequestSchema, textRequestSchema } from '../../../src/contract/chat-completion.ts'
import { deploymentOf, routeOf } from '../../support/routes.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { fuzzKeys, VALUES } from './request-fuzz.ts'

const ROUNDS = 100
const SEED = 20_261_124

const FIELDS = {
  chat: Object.keys(chatRequestSchema()._zod.def.shape),
  text: Object.keys(textRequestSchema()._zod.def.shape),
} as const

test.each(['chat', 'text'] as const)('every field of the schema for %s has a decision and is fuzzed', (kind) => {
  expect(FIELDS[kind].length).toBeGreaterThan(15)
  expect(FIELDS[kind].filter((field) => !Object.hasOwn(FIELD_DECISIONS[kind], field))).toEqual([])
  expect(FIELDS[kind].filter((field) => !Object.hasOwn(VALUES[kind], field))).toEqual([])
})

test('no two requests that differ share a key, and what means the same does', () => {
  const { keys, wrongHits, sameMeant, sameHit } = fuzzKeys(requestKey, seededRandom(SEED), ROUNDS)
  expect(wrongHits).toEqual([])
  expect(sameHit / sameMeant).toBeGreaterThanOrEqual(0.99)
  expect(keys).toBeGreaterThan(ROUNDS * 30)
}, 30_000)

describe('the fuzz notices', () => {
  const counted = Object.entries(VALUES).flatMap(([kind, fields]) =>
    Object.entries(fields).flatMap(([field, groups]) => (groups.length > 1 ? [[kind, field] as const] : [])),
  )

  test.each(counted)('a key that leaves out, of %s, the field %s', (kind, field) => {
    const broken = (question: CacheQuestion) => {
      if (question.request.kind !== kind) return requestKey(question)
      const body = Object.fromEntries(Object.entries(question.request.body).filter(([name]) => name !== field))
      return requestKey({ ...question, request: { kind, body } as CacheQuestion['request'] })
    }
    expect(fuzzKeys(broken, seededRandom(SEED), 20).wrongHits.length).toBeGreaterThan(0)
  })

  test('a key that forgets the tenant, or that depends on the order of fields', () => {
    const sameTenant = (question: CacheQuestion) =>
      requestKey({ ...question, principal: { ...question.principal, tenantId: 'tnt' } })
    expect(fuzzKeys(sameTenant, seededRandom(SEED), 20).wrongHits.length).toBeGreaterThan(0)
    const ordered = (question: CacheQuestion) => JSON.stringify(question)
    const { sameHit, sameMeant } = fuzzKeys(ordered, seededRandom(SEED), 10)
    expect(sameHit / sameMeant).toBeLessThan(0.99)
  })
})

const ROUTE = routeOf([])

describe('a key', () => {
  const question = (body: object, more: Partial<CacheQuestion> = {}): CacheQuestion => ({
    principal: { tenantId: 'tnt_a', keyId: 'k', scopes: [] },
    alias: 'm',
    request: { kind: 'chat', body: { model: 'm', messages: [{ role: 'user', content: 'Hi' }], ...body } },
    route: ROUTE,
    directive: { mode: 'default' },
    ...more,
  })

  test('begins with the tenant, and shows nothing of what was asked', () => {
    expect(requestKey(question({}))).toMatch(/^tnt_a\.[\w-]{43}$/)
  })

  test('does not depend on who of a tenant asks, nor on the order of deployments', () => {
    const ada = question({}, { principal: { tenantId: 'tnt_a', keyId: 'other', userId: 'ada', scopes: ['chat'] } })
    expect(requestKey(ada)).toBe(requestKey(question({})))
    const [a, b, c] = ['a', 'b', 'c'].map((id) => deploymentOf({ id }))
    if (!a || !b || !c) throw new Error('three were made')
    expect(requestKey(question({}, { route: routeOf([a, b, c]) }))).toBe(
      requestKey(question({}, { route: routeOf([c, a, b]) })),
    )
  })

  test('is not made of what nests too deep to be read', () => {
    const deep: unknown = JSON.parse(`${'['.repeat(5_000)}${']'.repeat(5_000)}`)
    expect(requestKey(question({ deep }))).toBeUndefined()
  })

  test('of two texts is not that of one, however they are cut', () => {
    const stop = (...texts: string[]) => requestKey(question({ stop: texts }))
    const keys = [stop('ab'), stop('a', 'b'), stop('a"1:b'), stop('a', '"1:b'), stop(''), stop('', '')]
    expect(new Set(keys).size).toBe(keys.length)
  })

  test('takes fields that JavaScript objects have by themselves for what they are: unknown ones', () => {
    const own = JSON.parse('{"__proto__":{"a":1}}')
    const named = (body: object) => requestKey(question(body))
    expect(named({ constructor: 'x' })).not.toBe(named({}))
    expect(requestKey(question({ x: own }))).not.toBe(requestKey(question({ x: {} })))
  })
})
