/** One suite for every store of limits: a Durable Object per principal, and Upstash's protocol before a real redis-server. Runs in workerd. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, inject, test, vi } from 'vitest'
import { durableStore } from '../../src/limits/durable-store.ts'
import { leasedStreams, type StreamVerdict } from '../../src/limits/leased-streams.ts'
import { leasedWindows } from '../../src/limits/leased-windows.ts'
import type { Counter, LimitStore, WindowCounter } from '../../src/limits/stores.ts'
import { windowStartOf } from '../../src/limits/stores.ts'
import { upstashStore } from '../../src/limits/upstash-store.ts'
import { seededRandom } from '../support/seeded-random.ts'
import type {} from '../support/upstash/provided-upstash.ts'

const HOUR_MS = 3_600_000
const upstash = inject('upstash')
if ('missing' in upstash) console.warn(`The suite of the Upstash store is skipped: ${upstash.missing}`)

const STORES: [name: string, make: () => LimitStore][] = [
  ['a Durable Object', () => durableStore(env.LIMITS)],
  ...('url' in upstash ? [['Upstash', () => upstashOf(upstash)] satisfies [string, () => LimitStore]] : []),
]

function upstashOf(settings: { url: string; token: string }): LimitStore {
  return upstashStore({ ...settings, timeoutMs: 5_000 })
}

let counters = 0
function counterOf(amount: number, windowMs = HOUR_MS): WindowCounter {
  counters += 1
  return { owner: `tnt_${crypto.randomUUID()}/key/k`, name: `requests-${counters}`, amount, windowMs }
}

const start = (counter: WindowCounter) => windowStartOf(counter.windowMs, Date.now())

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** The library takes its windows from the clock; ours are told. */
function setClock(ms: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: ms })
}

describe.each(STORES)('%s', (_, make) => {
  const store = make()

  test('grants what was asked for, then what is left, then nothing', async () => {
    const counter = counterOf(10)
    const take = (need: number, want: number) => store.take(counter, start(counter), { need, want, spent: 0 })
    expect(await take(1, 6)).toEqual({ granted: 6, remaining: 4 })
    expect(await take(1, 6)).toEqual({ granted: 4, remaining: 0 })
    expect(await take(1, 6)).toEqual({ granted: 0, remaining: 0 })
  })

  test('a refusal costs nothing', async () => {
    const counter = counterOf(10)
    const take = (need: number, want: number) => store.take(counter, start(counter), { need, want, spent: 0 })
    await take(1, 6)
    for (let i = 0; i < 20; i++) expect(await take(5, 8)).toEqual({ granted: 0, remaining: 4 })
    expect(await take(4, 4)).toEqual({ granted: 4, remaining: 0 })
  })

  test('has back what was given back', async () => {
    const counter = counterOf(10)
    await store.take(counter, start(counter), { need: 1, want: 10, spent: 0 })
    await store.giveBack(counter, start(counter), 7)
    expect(await store.take(counter, start(counter), { need: 1, want: 10, spent: 0 })).toEqual({
      granted: 7,
      remaining: 0,
    })
  })

  test('counts what was spent beyond what is left, and then grants nothing', async () => {
    const counter = counterOf(10)
    await store.take(counter, start(counter), { need: 1, want: 4, spent: 0 })
    expect(await store.take(counter, start(counter), { need: 1, want: 1, spent: 20 })).toEqual({
      granted: 0,
      remaining: 0,
    })
    await store.giveBack(counter, start(counter), 15)
    expect(await store.take(counter, start(counter), { need: 1, want: 5, spent: 0 })).toEqual({
      granted: 1,
      remaining: 0,
    })
    expect(await store.take(counter, start(counter), { need: 0, want: 0, spent: 3 })).toEqual({
      granted: 0,
      remaining: 0,
    })
  })

  test('begins anew with each window', async () => {
    const counter = counterOf(3, 60_000)
    const now = windowStartOf(60_000, Date.now()) + 120_000
    setClock(now)
    await store.take(counter, now, { need: 1, want: 3, spent: 0 })
    expect(await store.take(counter, now, { need: 1, want: 1, spent: 0 })).toEqual({ granted: 0, remaining: 0 })
    setClock(now + 60_000)
    expect(await store.take(counter, now + 60_000, { need: 1, want: 2, spent: 0 })).toEqual({
      granted: 2,
      remaining: 1,
    })
  })

  test('keeps counters, owners and tenants apart', async () => {
    const one = counterOf(1)
    const others = [
      { ...one, name: `${one.name}-other` },
      { ...one, owner: `${one.owner}-other` },
      { ...one, owner: one.owner.replace('tnt_', 'tnt_x') },
    ]
    for (const counter of [one, ...others]) {
      expect((await store.take(counter, start(counter), { need: 1, want: 1, spent: 0 })).granted).toBe(1)
    }
  })

  test('follows a limit that is changed within the window', async () => {
    const counter = counterOf(5)
    await store.take(counter, start(counter), { need: 1, want: 5, spent: 0 })
    const take = (amount: number) => store.take({ ...counter, amount }, start(counter), { need: 1, want: 1, spent: 0 })
    expect(await take(8)).toEqual({ granted: 1, remaining: 2 })
    expect(await take(4)).toEqual({ granted: 0, remaining: 0 })
  })

  test('never grants more than there is, to however many ask at once', async () => {
    const counter = counterOf(100)
    const random = seededRandom(11)
    const grants = await Promise.all(
      Array.from({ length: 60 }, () =>
        store.take(counter, start(counter), { need: 1, want: 1 + random.below(9), spent: 0 }),
      ),
    )
    expect(grants.reduce((sum, { granted }) => sum + granted, 0)).toBeLessThanOrEqual(100)
    // Upstash counts before it looks, so that some who come at the same moment are refused what would have been there.
    expect(grants.reduce((sum, { granted }) => sum + granted, 0)).toBeGreaterThan(60)
  })

  test('holds places, no more than there are, and frees those of who went or was not heard of', async () => {
    const counter: Counter = counterOf(5)
    const now = Date.now()
    const hold = (holderId: string, running: number, want: number, nowMs = now) =>
      store.hold(counter, { holderId, running, want, nowMs, untilMs: nowMs + 30_000 })
    expect(await hold('a', 0, 3)).toBe(3)
    expect(await hold('b', 0, 3)).toBe(2)
    expect(await hold('c', 0, 1)).toBe(0)
    expect(await hold('a', 0, 1)).toBe(1)
    expect(await hold('c', 0, 9)).toBe(2)
    expect(await hold('b', 0, 0)).toBe(0)
    expect(await hold('a', 1, 2, now + 20_000)).toBe(2)
    // c was not heard of again.
    expect(await hold('d', 0, 9, now + 31_000)).toBe(3)
    // What runs is held, whatever the limit is now.
    expect(
      await store.hold(
        { ...counter, amount: 1 },
        { holderId: 'd', running: 3, want: 4, nowMs: now + 32_000, untilMs: now + 60_000 },
      ),
    ).toBe(3)
  })

  test('has ten isolates let in no more than the limit between them', async () => {
    const counter = counterOf(100)
    const background: Promise<unknown>[] = []
    const isolates = Array.from({ length: 10 }, () =>
      leasedWindows({
        store,
        nowMs: Date.now,
        sleep: () => new Promise(() => undefined),
        waitUntil: (promise) => void background.push(promise),
      }),
    )
    const random = seededRandom(3)
    const spends = [{ counter, cost: 1, typicalCost: 1 }]
    const verdicts = await Promise.all(Array.from({ length: 300 }, () => random.pick(isolates).take(spends)))
    const taken = verdicts.filter(({ kind }) => kind === 'taken').length
    expect(taken).toBeLessThanOrEqual(100)
    expect(taken).toBeGreaterThan(70)
  })

  test('has three of four streams enter where three may', async () => {
    const counter = counterOf(3)
    const enter = () =>
      leasedStreams({
        store,
        nowMs: Date.now,
        sleep: () => new Promise(() => undefined),
        waitUntil: () => undefined,
        every: () => () => undefined,
        newHolderId: () => crypto.randomUUID(),
      }).enter(counter)
    const kinds: StreamVerdict['kind'][] = []
    for (let i = 0; i < 4; i++) kinds.push((await enter()).kind)
    expect(kinds).toEqual(['entered', 'entered', 'entered', 'refused'])
  })
})

describe('a Durable Object', () => {
  test('remembers after an eviction, and leaves nothing behind when its windows are over', async () => {
    const store = durableStore(env.LIMITS)
    const counter = counterOf(5, 1_000)
    const object = env.LIMITS.getByName(counter.owner)
    const startMs = windowStartOf(1_000, Date.now() - 600_000)
    await store.take(counter, startMs, { need: 1, want: 5, spent: 0 })
    await evictDurableObject(object)
    expect((await store.take(counter, startMs, { need: 1, want: 1, spent: 0 })).granted).toBe(0)
    await runDurableObjectAlarm(object)
    const tables = await runInDurableObject(object, (_, state) =>
      state.storage.sql
        .exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('used', 'holder')")
        .toArray(),
    )
    expect(tables).toEqual([])
    expect((await store.take(counter, startMs, { need: 1, want: 1, spent: 0 })).granted).toBe(1)
  })
})

describe.skipIf('missing' in upstash)('Upstash', () => {
  test('that is silent admits nobody: the library by itself would let everybody in after five seconds', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    vi.stubGlobal('fetch', () => new Promise(() => undefined))
    const silent = upstashStore({ url: 'http://127.0.0.1:9', token: 'x', timeoutMs: 60_000 })
    const counter = counterOf(5)
    let outcome: unknown = 'silence'
    void silent.take(counter, start(counter), { need: 1, want: 1, spent: 0 }).then((grant) => {
      outcome = grant
    })
    await vi.advanceTimersByTimeAsync(20_000)
    expect(outcome).toBe('silence')
  })

  test('that cannot be reached refuses', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new Error('Connection refused')))
    const nowhere = upstashStore({ url: 'http://127.0.0.1:9', token: 'x', timeoutMs: 200 })
    const counter = counterOf(5)
    await expect(nowhere.take(counter, start(counter), { need: 1, want: 1, spent: 0 })).rejects.toThrow()
    await expect(nowhere.hold(counter, { holderId: 'a', running: 0, want: 1, nowMs: 0, untilMs: 1 })).rejects.toThrow()
  })

  test('with a wrong token refuses', async () => {
    if (!('url' in upstash)) return
    const store = upstashOf({ url: upstash.url, token: 'wrong' })
    const counter = counterOf(5)
    await expect(store.take(counter, start(counter), { need: 1, want: 1, spent: 0 })).rejects.toThrow()
  })

  test('is not asked for a window that has ended: it would count in the next', async () => {
    if (!('url' in upstash)) return
    const store = upstashOf(upstash)
    const counter = counterOf(5)
    await expect(store.giveBack(counter, start(counter) - HOUR_MS, 3)).rejects.toThrow('ended')
  })
})
