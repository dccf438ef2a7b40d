/** Which deployments may serve a request, and in which order. What rests on chance is in choose-shares.test.ts. */
import { describe, expect, test } from 'vitest'
import type { Deployment, RequestFacts, Route, Target } from '../../../src/chat/ports.ts'
import type { Condition } from '../../../src/contract/routing-config.ts'
import { choose } from '../../../src/routing/choose/choose.ts'
import { viewOf } from '../../support/health-views.ts'
import { deploymentOf, factsOf, routeOf } from '../../support/routes.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const named = (...ids: string[]) => ids.map((id) => deploymentOf({ id }))

/** Each target is what is said of it. */
function routeWith(targets: (Partial<Target> & { deployment: Deployment })[], given: Partial<Route> = {}): Route {
  return routeOf([], {
    targets: targets.map((target) => ({ priority: 0, weight: 1, when: undefined, ...target })),
    ...given,
  })
}

function orderOf(route: Route, facts: Partial<RequestFacts> = {}, view = viewOf(), seed = 1): string[] {
  return choose(seededRandom(seed).next)(route, factsOf(facts), view).map(({ id }) => id)
}

const SEEDS = Array.from({ length: 50 }, (_, seed) => seed)

describe('a target with a condition is asked only by requests for which all of it holds', () => {
  const [limited, open] = [deploymentOf({ id: 'limited' }), deploymentOf({ id: 'open' })]
  test.each<[Condition, Partial<RequestFacts>, boolean]>([
    [{ tenants: ['tnt_a', 'tnt_b'] }, { tenantId: 'tnt_b' }, true],
    [{ tenants: ['tnt_a'] }, { tenantId: 'tnt_c' }, false],
    [{ users: ['u'] }, { userId: 'u' }, true],
    [{ users: ['u'] }, { userId: undefined }, false],
    [{ countries: ['DE'] }, { place: { country: 'DE' } }, true],
    [{ countries: ['DE'] }, { place: { country: 'FR' } }, false],
    [{ countries: ['DE'] }, { place: undefined }, false],
    [{ continents: ['EU'] }, { place: { continent: 'EU' } }, true],
    [{ continents: ['EU'] }, { place: { continent: 'AS' } }, false],
    [{ prompt_chars: { min: 10 } }, { promptChars: 10 }, true],
    [{ prompt_chars: { min: 10 } }, { promptChars: 9 }, false],
    [{ prompt_chars: { max: 10 } }, { promptChars: 10 }, true],
    [{ prompt_chars: { max: 10 } }, { promptChars: 11 }, false],
    [{ metadata: { tier: 'gold' } }, { metadata: { tier: 'gold', other: 'x' } }, true],
    [{ metadata: { tier: 'gold', team: 'a' } }, { metadata: { tier: 'gold' } }, false],
    [{ needs: ['tools'] }, { needs: new Set(['tools', 'n']) }, true],
    [{ needs: ['tools'] }, { needs: new Set(['n']) }, false],
    [{ tenants: ['tnt_a'], prompt_chars: { min: 10 } }, { promptChars: 9 }, false],
    [{}, {}, true],
  ])('%j and %o: %s', (when, facts, holds) => {
    const route = routeWith([
      { deployment: limited, when },
      { deployment: open, priority: 1 },
    ])
    expect(orderOf(route, facts)).toEqual(holds ? ['limited', 'open'] : ['open'])
  })
})

describe('a request', () => {
  test('that needs what a target cannot do goes to those that can', () => {
    const blind = deploymentOf({ id: 'blind', capabilities: new Set(['tools']) })
    const seeing = deploymentOf({ id: 'seeing', capabilities: new Set(['tools', 'vision']) })
    expect(orderOf(routeOf([blind, seeing]), { needs: new Set(['vision', 'tools']) })).toEqual(['seeing'])
    expect(orderOf(routeOf([blind]), { needs: new Set(['vision']) })).toEqual([])
  })

  test('that is hopelessly long for a context goes to a larger one, and to all when it is for each', () => {
    const [small, large] = [deploymentOf({ id: 'small', contextTokens: 1_000 }), deploymentOf({ id: 'large' })]
    const route = routeWith([{ deployment: small }, { deployment: large, priority: 1 }])
    expect(orderOf(route, { promptChars: 8_000 })).toEqual(['small', 'large'])
    expect(orderOf(route, { promptChars: 8_001 })).toEqual(['large'])
    const other = deploymentOf({ id: 'other', contextTokens: 1_000 })
    expect(
      orderOf(routeWith([{ deployment: small }, { deployment: other, priority: 1 }]), { promptChars: 8_001 }),
    ).toEqual(['small', 'other'])
  })

  test('reckons no beginnings where affinity is off, nor anything of health where there is no choice', () => {
    const facts = {
      ...factsOf(),
      get prefixes(): never {
        throw new Error('Nobody needs them.')
      },
    }
    const view = () => {
      throw new Error('Nobody needs it.')
    }
    expect(choose(Math.random)(routeOf(named('a')), factsOf(), view).map(({ id }) => id)).toEqual(['a'])
    const off = Object.defineProperty(
      { ...factsOf() },
      'prefixes',
      Object.getOwnPropertyDescriptor(facts, 'prefixes') ?? {},
    )
    expect(choose(Math.random)(routeOf(named('a', 'b')), off, viewOf())).toHaveLength(2)
  })
})

describe('of the groups', () => {
  const route = routeWith([
    { deployment: deploymentOf({ id: 'c' }), priority: 2 },
    { deployment: deploymentOf({ id: 'a' }), priority: 0 },
    { deployment: deploymentOf({ id: 'b' }), priority: 1 },
  ])

  test('the one with the lowest number is asked first, whatever is drawn', () => {
    for (const seed of SEEDS) expect(orderOf(route, {}, viewOf(), seed)).toEqual(['a', 'b', 'c'])
  })

  test('what is open or draining is left out, and what is full comes behind all that are well', () => {
    expect(orderOf(route, {}, viewOf({ a: { state: 'open' } }))).toEqual(['b', 'c'])
    expect(orderOf(route, {}, viewOf({ a: { state: 'draining' } }))).toEqual(['b', 'c'])
    expect(orderOf(route, {}, viewOf({ a: { state: 'full' }, b: { state: 'full' } }))).toEqual(['c', 'a', 'b'])
  })

  test('one that is due for a probe is asked in its place', () => {
    expect(orderOf(route, {}, viewOf({ a: { state: 'probing' } }))).toEqual(['a', 'b', 'c'])
  })

  test('when all are shut, the first to open again comes first, and what drains last', () => {
    const view = viewOf({
      a: { state: 'draining' },
      b: { state: 'open', closedUntilMs: 2_000 },
      c: { state: 'open', closedUntilMs: 1_000 },
    })
    expect(orderOf(route, {}, view)).toEqual(['c', 'b', 'a'])
  })
})

describe('least_loaded', () => {
  const route = routeOf(named('a', 'b'))
  const first = (known: Parameters<typeof viewOf>[0]) =>
    new Set(SEEDS.map((seed) => orderOf(route, {}, viewOf(known), seed)[0]))

  test('prefers of two the one with fewer calls', () => {
    expect(first({ a: { inFlight: 3 }, b: { inFlight: 2 } })).toEqual(new Set(['b']))
  })

  test('prefers at equal calls the faster, but does not wait behind it for ever', () => {
    expect(first({ a: { latencyMs: 900 }, b: { latencyMs: 100 } })).toEqual(new Set(['b']))
    // Nine times slower counts as four: with four calls more the other is no longer preferred.
    expect(first({ a: { latencyMs: 900 }, b: { latencyMs: 100, inFlight: 4 } })).toEqual(new Set(['a']))
  })

  test('does not hold against one that may try again how slow it was', () => {
    expect(first({ a: { state: 'probing', latencyMs: 9_000 }, b: { latencyMs: 10, inFlight: 1 } })).toEqual(
      new Set(['a']),
    )
  })

  test('never prefers what has weight 0, however much the others have to do', () => {
    const route = routeWith([
      { deployment: deploymentOf({ id: 'standby' }), weight: 0 },
      { deployment: deploymentOf({ id: 'a' }) },
    ])
    for (const seed of SEEDS) expect(orderOf(route, {}, viewOf({ a: { inFlight: 9 } }), seed)).toEqual(['a', 'standby'])
  })

  test('asks the larger for more', () => {
    const sized = routeWith([
      { deployment: deploymentOf({ id: 'a' }), weight: 1 },
      { deployment: deploymentOf({ id: 'b' }), weight: 4 },
    ])
    const view = viewOf({ a: { inFlight: 1 }, b: { inFlight: 3 } })
    expect(new Set(SEEDS.map((seed) => orderOf(sized, {}, view, seed)[0]))).toEqual(new Set(['b']))
  })
})

describe('cheapest', () => {
  const price = (id: string, input: number, output: number) => deploymentOf({ id, price: { input, output } })

  test('weighs the prompt against the answer', () => {
    const route = routeOf([price('cheap-prompt', 1, 20), price('cheap-answer', 10, 2)], { strategy: 'cheapest' })
    for (const seed of SEEDS) {
      expect(orderOf(route, { promptChars: 40_000 }, viewOf(), seed)).toEqual(['cheap-prompt', 'cheap-answer'])
      expect(orderOf(route, { promptChars: 40 }, viewOf(), seed)).toEqual(['cheap-answer', 'cheap-prompt'])
    }
  })

  test('asks what has no price after what has, and of two that cost the same the less loaded', () => {
    const route = routeOf([deploymentOf({ id: 'unknown' }), price('a', 1, 1), price('b', 1, 1)], {
      strategy: 'cheapest',
    })
    for (const seed of SEEDS) {
      expect(orderOf(route, {}, viewOf({ a: { inFlight: 1 } }), seed)).toEqual(['b', 'a', 'unknown'])
    }
  })
})

describe('nearest', () => {
  const route = routeOf(
    [
      deploymentOf({ id: 'nowhere' }),
      deploymentOf({ id: 'sydney', region: 'ap-southeast-2' }),
      deploymentOf({ id: 'frankfurt', region: 'eu-central-1' }),
      deploymentOf({ id: 'home', region: 'eu-central-1', location: { latitude: 48, longitude: 11 } }),
    ],
    { strategy: 'nearest' },
  )

  test('goes by distance, by a place of its own before the region, and asks last what is nowhere', () => {
    const munich = { latitude: 48.1, longitude: 11.6 }
    for (const seed of SEEDS) {
      expect(orderOf(route, { place: munich }, viewOf(), seed)).toEqual(['home', 'frankfurt', 'sydney', 'nowhere'])
    }
  })

  test('goes the short way round', () => {
    const islands = routeOf(
      [
        deploymentOf({ id: 'west', location: { latitude: 0, longitude: -175 } }),
        deploymentOf({ id: 'east', location: { latitude: 0, longitude: 150 } }),
      ],
      { strategy: 'nearest' },
    )
    expect(orderOf(islands, { place: { latitude: 0, longitude: 179 } })).toEqual(['west', 'east'])
  })

  test('is content with a continent', () => {
    expect(orderOf(route, { place: { continent: 'OC' } })[0]).toBe('sydney')
  })

  test('is least loaded when nobody knows where the caller is', () => {
    const busy = { inFlight: 5 }
    const view = viewOf({ nowhere: busy, sydney: busy, home: busy })
    expect(orderOf(route, { place: undefined }, view)[0]).toBe('frankfurt')
  })
})

test.each(['weighted', 'least_loaded', 'cheapest', 'nearest'] as const)(
  'what has weight 0 is asked last of its group by %s, and is there',
  (strategy) => {
    const place = { latitude: 1, longitude: 1 }
    const standby = deploymentOf({ id: 'standby', location: place, price: { input: 0, output: 0 } })
    const route = routeWith(
      [
        { deployment: standby, weight: 0 },
        { deployment: deploymentOf({ id: 'a' }) },
        { deployment: deploymentOf({ id: 'b' }) },
      ],
      { strategy },
    )
    for (const seed of SEEDS) expect(orderOf(route, { place }, viewOf(), seed)[2]).toBe('standby')
    expect(orderOf(route, { place }, viewOf({ a: { state: 'open' }, b: { state: 'open' } }))).toEqual(['standby'])
  },
)
