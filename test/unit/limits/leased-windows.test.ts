/** Slices of windows over simulated isolates: never above the limit, nothing wasted, nobody waits for a store that is far away. */
import { describe, expect, test } from 'vitest'
import { leasedWindows, type Spend, type Verdict } from '../../../src/limits/leased-windows.ts'
import { graceOf } from '../../../src/limits/slice.ts'
import type { WindowCounter } from '../../../src/limits/stores.ts'
import { type MemoryStore, memoryStore } from '../../support/limits/memory-store.ts'
import { type SimulatedWorld, simulatedWorld } from '../../support/limits/simulated-world.ts'
import { randomScenario, runScenario } from '../../support/limits/window-property.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const HOUR_MS = 3_600_000
/** The beginning of an hour. */
const START_MS = 1_800_000_000_000

function counterOf(amount: number, windowMs = HOUR_MS): WindowCounter {
  return { owner: 'tnt_a/key/key_1', name: 'requests', amount, windowMs }
}

function spendOf(counter: WindowCounter, cost = 1): Spend[] {
  return [{ counter, cost, typicalCost: 1 }]
}

function setUp(loses: () => 'call' | 'answer' | 'nothing' = () => 'nothing') {
  const world = simulatedWorld(START_MS)
  const store = memoryStore({ sleep: world.sleep, roundTripMs: () => 120, loses })
  return { world, store, isolate: () => isolateOf(world, store) }
}

function isolateOf(world: SimulatedWorld, store: MemoryStore) {
  return leasedWindows({ store, nowMs: world.nowMs, sleep: world.sleep, waitUntil: (promise) => void promise })
}

/** The verdict, while the world goes on until there is one. */
async function verdict(world: SimulatedWorld, taking: Verdict | Promise<Verdict>): Promise<Verdict> {
  let found: Verdict | undefined
  void Promise.resolve(taking).then((value) => {
    found = value
  })
  for (let ms = 0; found === undefined && ms < 20_000; ms += 10) await world.run(world.nowMs() + 10)
  if (!found) throw new Error('No verdict within 20 s.')
  return found
}

describe('many isolates', () => {
  test.each([1, 2, 3])(
    'never let in more than the limit, and give back what they do not use (seeds from %i00)',
    async (hundred) => {
      for (let seed = hundred * 100; seed < hundred * 100 + 40; seed++) {
        const { broken } = await runScenario(randomScenario(seed))
        expect(broken, JSON.stringify(randomScenario(seed))).toEqual([])
      }
    },
    60_000,
  )

  test('are seen to let in more when the store grants more than is left', async () => {
    const scenario = { ...randomScenario(1), amount: 5, isolates: 12, requests: 300, windowMs: HOUR_MS, lossRate: 0 }
    expect((await runScenario(scenario)).broken).toEqual([])
    expect((await runScenario(scenario, 1)).broken).not.toEqual([])
  })

  test('can all use a small limit: five requests from five isolates, and the sixth is refused', async () => {
    const { world, isolate } = setUp()
    const isolates = Array.from({ length: 6 }, isolate)
    const kinds: string[] = []
    for (const windows of isolates) kinds.push((await verdict(world, windows.take(spendOf(counterOf(5))))).kind)
    expect(kinds).toEqual(['taken', 'taken', 'taken', 'taken', 'taken', 'refused'])
  })

  test('get back what one of them holds unused, within 30 s', async () => {
    const { world, store, isolate } = setUp()
    const counter = counterOf(100)
    const [first, second] = [isolate(), isolate()]
    expect((await verdict(world, first.take(spendOf(counter)))).kind).toBe('taken')
    await world.run(world.nowMs() + 1_000)
    expect(store.used(counter.owner, counter.name, START_MS)).toBeGreaterThan(1)
    await world.run(world.nowMs() + 29_000)
    expect(store.used(counter.owner, counter.name, START_MS)).toBe(1)
    let taken = 0
    for (let i = 0; i < 100; i++)
      taken += Number((await verdict(world, second.take(spendOf(counter)))).kind === 'taken')
    expect(taken).toBe(99)
  })
})

describe('one isolate', () => {
  test('lets in exactly the limit, refuses without asking, and lets in again when the window is over', async () => {
    const { world, store, isolate } = setUp()
    const windows = isolate()
    const counter = counterOf(100)
    for (let i = 0; i < 100; i++) expect((await verdict(world, windows.take(spendOf(counter)))).kind).toBe('taken')
    expect((await verdict(world, windows.take(spendOf(counter)))).kind).toBe('refused')
    const { calls } = store
    expect(windows.take(spendOf(counter))).toMatchObject({ kind: 'refused' })
    expect(store.calls).toBe(calls)
    expect(windows.standing(counter).remaining).toBe(0)
    await world.run(world.nowMs() + windows.standing(counter).resetMs)
    expect((await verdict(world, windows.take(spendOf(counter)))).kind).toBe('taken')
  })

  test('asks on nobody’s time but the first’s: of 600 requests in a minute one waits for the store', async () => {
    const { world, isolate } = setUp()
    const windows = isolate()
    const counter = counterOf(10_000)
    let waited = 0
    for (let i = 0; i < 600; i++) {
      const taking = windows.take(spendOf(counter))
      if (taking instanceof Promise) waited += 1
      expect((await verdict(world, taking)).kind).toBe('taken')
      await world.run(START_MS + (i + 1) * 100)
    }
    expect(waited).toBe(1)
  })

  test('has a burst wait for two answers at most', async () => {
    const { world, store, isolate } = setUp()
    const windows = isolate()
    const takings = Promise.all(Array.from({ length: 200 }, () => windows.take(spendOf(counterOf(1_000)))))
    await world.run(START_MS + 250)
    expect((await takings).filter(({ kind }) => kind === 'taken').length).toBe(200)
    expect(store.calls).toBeLessThanOrEqual(4)
  })

  test('uses up what is left, also when a part of it is here and a part in the store', async () => {
    const { world, isolate } = setUp()
    const windows = isolate()
    const spend = { counter: counterOf(500), cost: 130, typicalCost: 512 }
    let taken = 0
    for (let i = 0; i < 10; i++) {
      if ((await verdict(world, windows.take([spend]))).kind !== 'taken') continue
      taken += 1
      windows.correct(spend, -31, world.nowMs())
    }
    // The fifth would be the 526th.
    expect(taken).toBe(4)
  })

  test('takes from all counters or from none', async () => {
    const { world, isolate } = setUp()
    const windows = isolate()
    const [wide, narrow] = [counterOf(100), { ...counterOf(1), name: 'narrow' }]
    const both = [...spendOf(wide), ...spendOf(narrow)]
    expect((await verdict(world, windows.take(both))).kind).toBe('taken')
    for (let i = 0; i < 50; i++) expect((await verdict(world, windows.take(both))).kind).toBe('refused')
    expect(windows.standing(wide).remaining).toBe(99)
  })

  test('counts what was used beyond the estimate, and gives back what was not', async () => {
    const { world, store, isolate } = setUp()
    const windows = isolate()
    const counter = counterOf(1_000)
    const [spend] = spendOf(counter, 100)
    if (!spend) throw new Error('unreachable')
    await verdict(world, windows.take([spend]))
    windows.correct(spend, 450, world.nowMs())
    expect(windows.standing(counter).remaining).toBe(450)
    await verdict(world, windows.take([spend]))
    windows.correct(spend, -60, world.nowMs())
    expect(windows.standing(counter).remaining).toBe(410)
    await world.run(world.nowMs() + 60_000)
    expect(store.used(counter.owner, counter.name, START_MS)).toBe(590)
  })
})

test('what is given back after its window has ended is worth nothing in the next', async () => {
  const { world, isolate } = setUp()
  const windows = isolate()
  const counter = counterOf(100)
  const [spend] = spendOf(counter, 10)
  if (!spend) throw new Error('unreachable')
  await world.run(START_MS + HOUR_MS - 500)
  await verdict(world, windows.take([spend]))
  const takenAtMs = world.nowMs()
  await world.run(START_MS + HOUR_MS + 10)
  await verdict(world, windows.take([spend]))
  const { remaining } = windows.standing(counter)
  windows.refund([spend], takenAtMs)
  expect(windows.standing(counter).remaining).toBe(remaining)
})

describe('a store that fails', () => {
  test('again and again has one slice let in above the limit, not one each time', async () => {
    let down = false
    const { world, isolate } = setUp(() => (down ? 'call' : 'nothing'))
    const windows = isolate()
    const counter = counterOf(1_000)
    let admitted = 0
    const request = async () => {
      const { kind } = await verdict(world, windows.take(spendOf(counter)))
      admitted += Number(kind === 'taken')
      await world.run(world.nowMs() + 20)
      return kind
    }
    for (let outage = 0; outage < 30; outage++) {
      down = false
      await world.run(world.nowMs() + 1_100)
      for (let i = 0; i < 60; i++) await request()
      down = true
      for (let i = 0; i < 200 && (await request()) === 'taken'; i++);
    }
    expect(admitted).toBeGreaterThanOrEqual(1_000)
    expect(admitted).toBeLessThanOrEqual(1_000 + graceOf(counter))
  })

  test('lets in what was held and one slice more, and then nobody', async () => {
    let down = false
    const { world, isolate } = setUp(() => (down ? 'call' : 'nothing'))
    const windows = isolate()
    const counter = counterOf(1_000)
    for (let i = 0; i < 30; i++) await verdict(world, windows.take(spendOf(counter)))
    down = true
    const kinds: string[] = []
    while (kinds.at(-1) !== 'failed' && kinds.length < 1_000) {
      kinds.push((await verdict(world, windows.take(spendOf(counter)))).kind)
      await world.run(world.nowMs() + 20)
    }
    expect(kinds.length).toBeGreaterThan(20)
    expect(kinds.length).toBeLessThan(300)
    await world.run(world.nowMs() + 5_000)
    expect((await verdict(world, windows.take(spendOf(counter)))).kind).toBe('failed')
    down = false
    await world.run(world.nowMs() + 5_000)
    expect((await verdict(world, windows.take(spendOf(counter)))).kind).toBe('taken')
  })

  test('that has never answered lets nobody in', async () => {
    const { world, isolate } = setUp(() => 'call')
    expect((await verdict(world, isolate().take(spendOf(counterOf(100))))).kind).toBe('failed')
  })

  test('is not believed for longer than a minute', async () => {
    let down = false
    const { world, isolate } = setUp(() => (down ? 'call' : 'nothing'))
    const windows = isolate()
    await verdict(world, windows.take(spendOf(counterOf(100))))
    down = true
    await world.run(world.nowMs() + 61_000)
    expect((await verdict(world, windows.take(spendOf(counterOf(100))))).kind).toBe('failed')
  })

  test('stays refusing what it had refused', async () => {
    let down = false
    const { world, isolate } = setUp(() => (down ? 'call' : 'nothing'))
    const windows = isolate()
    await verdict(world, windows.take(spendOf(counterOf(1))))
    await verdict(world, windows.take(spendOf(counterOf(1))))
    down = true
    expect((await verdict(world, windows.take(spendOf(counterOf(1))))).kind).toBe('refused')
  })
})

test('one tenant at 5,000 requests a second over 50 isolates asks its object at most 50 times a second, also when the limit is reached', async () => {
  const world = simulatedWorld(START_MS)
  const store = memoryStore({ sleep: world.sleep, roundTripMs: () => 120 })
  const isolates = Array.from({ length: 50 }, () => isolateOf(world, store))
  const random = seededRandom(5)
  // Two thirds of what comes in ten seconds.
  const counter = counterOf(33_000)
  let taken = 0
  const callsBySecond: number[] = []
  for (let second = 0; second < 10; second++) {
    const before = store.calls
    for (let i = 0; i < 5_000; i++) {
      world.at(START_MS + second * 1_000 + i / 5, () => {
        const windows = isolates[random.below(50)]
        void Promise.resolve(windows?.take(spendOf(counter))).then((found) => {
          taken += Number(found?.kind === 'taken')
        })
      })
    }
    await world.run(START_MS + (second + 1) * 1_000)
    callsBySecond.push(store.calls - before)
  }
  expect(taken).toBeLessThanOrEqual(33_000)
  expect(taken).toBeGreaterThan(32_000)
  // The first second makes acquaintance: one call, and a few while slices grow.
  expect(callsBySecond[0]).toBeLessThan(300)
  expect(Math.max(...callsBySecond.slice(1)), callsBySecond.join(' ')).toBeLessThanOrEqual(50)
}, 60_000)
