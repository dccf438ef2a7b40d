/**
 * Shares that rest on chance, drawn with fixed seeds: counts against what is expected by chi-square, below the value that is exceeded
 * once in a thousand; and what must hold of every single caller.
 */
import { describe, expect, test } from 'vitest'
import type { Choose, RequestFacts, Route } from '../../../src/chat/ports.ts'
import { choose } from '../../../src/routing/choose/choose.ts'
import { viewOf } from '../../support/health-views.ts'
import { deploymentOf, factsOf, routeOf } from '../../support/routes.ts'
import { seededRandom } from '../../support/seeded-random.ts'

/** By degrees of freedom, at 0.001. */
const CHI_SQUARE_MOST = [Number.NaN, 10.83, 13.82, 16.27]

function expectShares(counts: ReadonlyMap<string, number>, weights: Readonly<Record<string, number>>): void {
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0)
  const squares = Object.entries(weights).map(([id, weight]) => {
    const expected = (all * weight) / total
    return ((counts.get(id) ?? 0) - expected) ** 2 / expected
  })
  expect([...counts.keys()].filter((id) => !(id in weights))).toEqual([])
  expect(squares.reduce((sum, square) => sum + square, 0)).toBeLessThan(CHI_SQUARE_MOST[squares.length - 1] ?? 0)
}

function countFirst(chosen: Iterable<string | undefined>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const id of chosen) counts.set(id ?? 'none', (counts.get(id ?? 'none') ?? 0) + 1)
  return counts
}

function route(weights: Readonly<Record<string, number>>, given: Partial<Route> = {}): Route {
  const targets = Object.entries(weights).map(([id, weight]) => ({
    deployment: deploymentOf({ id }),
    priority: 0,
    weight,
    when: undefined,
  }))
  return routeOf([], { targets, ...given })
}

const USERS = Array.from({ length: 8_000 }, (_, index) => `user-${index}`)
const firstOf = (chooser: Choose, to: Route, facts: Partial<RequestFacts>, view = viewOf()) =>
  chooser(to, factsOf(facts), view)[0]?.id

describe('weighted', () => {
  const weights = { a: 5, b: 3, c: 2 }

  test.each([1, 2, 3])('gives each its share, and the next place by the weights of the others (seed %i)', (seed) => {
    const chooser = choose(seededRandom(seed).next)
    const to = route(weights, { strategy: 'weighted' })
    const orders = USERS.map(() => chooser(to, factsOf(), viewOf()).map(({ id }) => id))
    expectShares(countFirst(orders.map(([first]) => first)), weights)
    expectShares(countFirst(orders.flatMap(([first, second]) => (first === 'a' ? [second] : []))), { b: 3, c: 2 })
  })

  test('gives the share of one that is out to the others', () => {
    const chooser = choose(seededRandom(4).next)
    const to = route(weights, { strategy: 'weighted' })
    const view = viewOf({ a: { state: 'open' } })
    expectShares(countFirst(USERS.map(() => firstOf(chooser, to, {}, view))), { b: 3, c: 2 })
  })
})

describe('least_loaded', () => {
  test('spreads evenly where nobody has anything to do, also for isolates that start alike', () => {
    const to = route({ a: 1, b: 1, c: 1 })
    const firsts = USERS.map((_, seed) => firstOf(choose(seededRandom(seed).next), to, {}))
    expectShares(countFirst(firsts), { a: 1, b: 1, c: 1 })
  })

  test('keeps the fullest of ten within three calls of the mean, where chance alone does not', () => {
    const ids = Array.from({ length: 10 }, (_, index) => `d${index}`)
    const fullest = (strategy: Route['strategy']) => {
      const to = routeOf(
        ids.map((id) => deploymentOf({ id })),
        { strategy },
      )
      const chooser = choose(seededRandom(5).next)
      const inFlight = new Map(ids.map((id) => [id, 0]))
      const view = ({ id }: { id: string }) => ({ ...viewOf()(deploymentOf({ id })), inFlight: inFlight.get(id) ?? 0 })
      for (let call = 0; call < 1_000; call++) {
        const id = chooser(to, factsOf(), view)[0]?.id ?? ''
        inFlight.set(id, (inFlight.get(id) ?? 0) + 1)
      }
      return Math.max(...inFlight.values())
    }
    expect(fullest('least_loaded')).toBeLessThanOrEqual(103)
    expect(fullest('weighted')).toBeGreaterThan(103)
  })
})

describe('sticky', () => {
  const weights = { a: 3, b: 2, c: 1 }
  const sticky = route(weights, { sticky: 'user' })
  const chosen = (to: Route, seed: number, view = viewOf()) => {
    const chooser = choose(seededRandom(seed).next)
    return USERS.map((userId) => firstOf(chooser, to, { userId }, view))
  }

  test('gives one user the same deployment in every isolate, and each deployment its share of the users', () => {
    const firsts = chosen(sticky, 1)
    expect(chosen(sticky, 2)).toEqual(firsts)
    expectShares(countFirst(firsts), weights)
  })

  test('moves only the users of one that is out, each to a place of its own by weight, and back again', () => {
    const before = chosen(sticky, 1)
    const meanwhile = chosen(sticky, 1, viewOf({ a: { state: 'open' } }))
    const moved = USERS.flatMap((_, at) => (before[at] === meanwhile[at] ? [] : [at]))
    expect(moved.every((at) => before[at] === 'a')).toBe(true)
    expect(moved).toHaveLength(before.filter((id) => id === 'a').length)
    expectShares(countFirst(moved.map((at) => meanwhile[at])), { b: 2, c: 1 })
  })

  test('gives a new deployment its share of each, and moves nobody else', () => {
    const before = chosen(sticky, 1)
    const after = chosen(route({ ...weights, d: 2 }, { sticky: 'user' }), 1)
    expect(USERS.every((_, at) => after[at] === before[at] || after[at] === 'd')).toBe(true)
    expectShares(countFirst(after), { ...weights, d: 2 })
  })

  test('tells users of two tenants apart, and lets a request without a user go by the strategy', () => {
    const chooser = choose(seededRandom(1).next)
    const of = (tenantId: string) => USERS.slice(0, 100).map((userId) => firstOf(chooser, sticky, { tenantId, userId }))
    expect(of('tnt_a')).not.toEqual(of('tnt_b'))
    expect(countFirst(USERS.map(() => firstOf(chooser, sticky, {}))).size).toBe(3)
  })

  test.each<['tenant' | 'conversation', (id: string) => Partial<RequestFacts>]>([
    ['tenant', (id) => ({ tenantId: id })],
    ['conversation', (id) => ({ conversationId: id })],
  ])('by %s: the same', (by, facts) => {
    const to = route(weights, { sticky: by })
    const of = (seed: number) => USERS.map((id) => firstOf(choose(seededRandom(seed).next), to, facts(id)))
    expect(of(1)).toEqual(of(2))
    expectShares(countFirst(of(1)), weights)
  })
})

describe('a canary', () => {
  const canaried = (percent: number, by: 'request' | 'tenant' | 'user' | 'conversation', given: Partial<Route> = {}) =>
    route(
      { a: 1, b: 1, canary: 1 },
      { strategy: 'weighted', canary: { deploymentId: 'canary', percent, by }, ...given },
    )

  test.each([1, 10, 50])('of %i percent gets that share of the requests, and none by its weight', (percent) => {
    const chooser = choose(seededRandom(percent).next)
    const to = canaried(percent, 'request')
    const rest = (100 - percent) / 2
    expectShares(countFirst(USERS.map(() => firstOf(chooser, to, {}))), { a: rest, b: rest, canary: percent })
  })

  test('of 0 percent gets nothing while others are well, and of 100 all', () => {
    const chooser = choose(seededRandom(1).next)
    const [none, all] = [canaried(0, 'request'), canaried(100, 'request')]
    expect(USERS.every(() => firstOf(chooser, none, {}) !== 'canary')).toBe(true)
    expect(USERS.every(() => firstOf(chooser, all, {}) === 'canary')).toBe(true)
    const view = viewOf({ a: { state: 'open' }, b: { state: 'open' } })
    expect(firstOf(chooser, none, {}, view)).toBe('canary')
  })

  test.each<['tenant' | 'user' | 'conversation', (id: string) => Partial<RequestFacts>]>([
    ['tenant', (id) => ({ tenantId: id })],
    ['user', (id) => ({ userId: id })],
    ['conversation', (id) => ({ conversationId: id })],
  ])('by %s keeps whoever was in when the share grows, in every isolate', (by, facts) => {
    let before = new Set<string>()
    for (const percent of [1, 5, 20, 21, 60, 100]) {
      const chooser = choose(seededRandom(percent).next)
      const to = canaried(percent, by)
      const inside = new Set(USERS.filter((id) => firstOf(chooser, to, facts(id)) === 'canary'))
      expect([...before].filter((id) => !inside.has(id))).toEqual([])
      if (percent < 100)
        expectShares(countFirst(USERS.map((id) => String(inside.has(id)))), { true: percent, false: 100 - percent })
      before = inside
    }
    expect(before.size).toBe(USERS.length)
  })

  test('goes before what the user is bound to, and changes nothing for the others', () => {
    const to = canaried(10, 'user', { sticky: 'user' })
    const without = route({ a: 1, b: 1 }, { sticky: 'user' })
    const chooser = choose(seededRandom(1).next)
    const others = USERS.filter((userId) => firstOf(chooser, to, { userId }) !== 'canary')
    expect(others.length).toBeLessThan(USERS.length)
    expect(others.every((userId) => firstOf(chooser, to, { userId }) === firstOf(chooser, without, { userId }))).toBe(
      true,
    )
  })

  test('that is not well, or cannot do what is needed, is not asked', () => {
    const chooser = choose(seededRandom(1).next)
    for (const state of ['open', 'draining', 'full'] as const) {
      expect(firstOf(chooser, canaried(100, 'request'), {}, viewOf({ canary: { state } }))).not.toBe('canary')
    }
  })
})

describe('affinity by prefix', () => {
  const ids = ['a', 'b', 'c', 'd']
  const to = routeOf(
    ids.map((id) => deploymentOf({ id })),
    { affinity: { by: 'prefix', spill: 1.5 } },
  )
  /** What is known of a conversation at its turn: the longest beginning first, and a system prompt that all share. */
  const prefixesOf = (conversation: string, turn: number, system?: string) => [
    ...Array.from({ length: turn }, (_, at) => `${conversation}/${turn - at}`),
    ...(system === undefined ? [] : [system]),
  ]

  test('brings each turn to where the one before was, in every isolate, and spreads conversations evenly', () => {
    const isolates = [1, 2, 3].map((seed) => choose(seededRandom(seed).next))
    const random = seededRandom(9)
    const home = new Map<string, string>()
    const wrong: string[] = []
    for (let turn = 1; turn <= 4; turn++) {
      for (const conversation of USERS.slice(0, 4_000)) {
        const id = firstOf(random.pick(isolates), to, { prefixes: prefixesOf(conversation, turn, 'system') }) ?? ''
        if (id !== (home.get(conversation) ?? id)) wrong.push(conversation)
        home.set(conversation, id)
      }
    }
    // Until an isolate has seen some requests it cannot know that all share the first beginning.
    expect(wrong.filter((conversation) => USERS.indexOf(conversation) > 100)).toEqual([])
    expectShares(countFirst(home.values()), { a: 1, b: 1, c: 1, d: 1 })
  })

  test('gives a beginning that few requests share to one deployment, and one that all share to all', () => {
    const of = (system: (at: number) => string, chooser = choose(seededRandom(1).next)) =>
      USERS.slice(0, 4_000).map((user, at) => ({
        system: system(at),
        id: firstOf(chooser, to, { prefixes: prefixesOf(user, 1, system(at)) }) ?? '',
      }))
    const assistants = of((at) => `assistant-${at % 40}`)
    const homes = Map.groupBy(assistants, ({ system }) => system)
    expect([...homes.values()].map((list) => new Set(list.map(({ id }) => id)).size)).toEqual(Array(40).fill(1))
    expectShares(countFirst(of(() => 'everybody').map(({ id }) => id)), { a: 1, b: 1, c: 1, d: 1 })
  })

  test('gives a beginning that half of all requests share to half of the deployments', () => {
    const chooser = choose(seededRandom(1).next)
    const homes = USERS.map((user, at) =>
      firstOf(chooser, to, { prefixes: prefixesOf(user, 1, `assistant-${at % 2}`) }),
    )
    // Until a share is known it may be thought larger or smaller.
    for (const half of [0, 1]) {
      const later = homes.filter((_, at) => at > 200 && at % 2 === half)
      expect(new Set(later).size).toBe(2)
    }
  })

  test('does not stay with one that only stood in', () => {
    const chooser = choose(seededRandom(1).next)
    const pair = route({ a: 1, standby: 0 }, { affinity: { by: 'prefix', spill: 1.5 } })
    const away = viewOf({ a: { state: 'open' } })
    expect(firstOf(chooser, pair, { prefixes: prefixesOf('x', 1) }, away)).toBe('standby')
    expect(firstOf(chooser, pair, { prefixes: prefixesOf('x', 2) })).toBe('a')
  })

  test('remembers where a conversation went that was spilled', () => {
    const chooser = choose(seededRandom(1).next)
    const first = firstOf(chooser, to, { prefixes: prefixesOf('x', 1) }) ?? ''
    const loaded = viewOf({ [first]: { inFlight: 6 } })
    const second = firstOf(chooser, to, { prefixes: prefixesOf('x', 2) }, loaded)
    expect(second).not.toBe(first)
    expect(firstOf(chooser, to, { prefixes: prefixesOf('x', 3) })).toBe(second)
  })

  test('never gives one more than its share of the calls in flight, times the spill, but three are always fine', () => {
    for (const spill of [1, 1.5, 3]) {
      const chooser = choose(seededRandom(1).next)
      const bounded = routeOf(
        ids.map((id) => deploymentOf({ id })),
        { affinity: { by: 'prefix', spill } },
      )
      const inFlight = new Map(ids.map((id) => [id, 0]))
      const view = ({ id }: { id: string }) => ({ ...viewOf()(deploymentOf({ id })), inFlight: inFlight.get(id) ?? 0 })
      for (let call = 1; call <= 400; call++) {
        // A few requests whose beginning is the same come so fast that none has ended.
        const id = chooser(bounded, factsOf({ prefixes: [`r${call}`, `s${call % 2}`] }), view)[0]?.id ?? ''
        inFlight.set(id, (inFlight.get(id) ?? 0) + 1)
        expect(inFlight.get(id)).toBeLessThanOrEqual(Math.max(3, Math.ceil((spill * call) / 4)))
      }
    }
  })

  test('by conversation keeps one where it is, and spills when that one has too much to do', () => {
    const by = routeOf(
      ids.map((id) => deploymentOf({ id })),
      { affinity: { by: 'conversation', spill: 1.5 } },
    )
    const chosen = (seed: number) =>
      USERS.map((conversationId) => firstOf(choose(seededRandom(seed).next), by, { conversationId }))
    expect(chosen(1)).toEqual(chosen(2))
    expectShares(countFirst(chosen(1)), { a: 1, b: 1, c: 1, d: 1 })
    const first = firstOf(choose(Math.random), by, { conversationId: 'x' }) ?? ''
    expect(firstOf(choose(Math.random), by, { conversationId: 'x' }, viewOf({ [first]: { inFlight: 6 } }))).not.toBe(
      first,
    )
  })
})
