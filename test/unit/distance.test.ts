/** The distance that other tests put between an isolate and its stores is really there. */
import { beforeEach, expect, test } from 'vitest'
import { type Distance, distance } from '../support/distance.ts'
import { type VirtualClock, virtualClock } from '../support/virtual-clock.ts'

let clock: VirtualClock
let far: Distance
beforeEach(() => {
  clock = virtualClock()
  far = distance(clock)
})

/** Milliseconds that `work` takes, and what it comes to. */
async function timed<Value>(work: () => Promise<Value>): Promise<[number, Value | string]> {
  const before = clock.nowMs()
  const outcome = await clock.run(work().catch(String))
  return [clock.nowMs() - before, outcome]
}

function namespaceOf(values: Map<string, string>): KVNamespace {
  // Sound: the wrapper calls no others.
  return {
    get: async (key: string) => values.get(key) ?? null,
    put: async (key: string, value: string) => void values.set(key, value),
    delete: async (key: string) => void values.delete(key),
    getWithMetadata: () => undefined,
  } as unknown as KVNamespace
}

test('each call to an object, D1, KV and Upstash takes 120 ms; other addresses none', async () => {
  const statement = {
    bind: () => statement,
    first: async () => 'row',
    all: async () => 'rows',
    run: async () => 'done',
  }
  const near = {
    DB: {
      prepare: () => statement,
      batch: async (statements: unknown[]) => statements.every((one) => one === statement),
    },
    KV: namespaceOf(new Map([['k', '{"a":1}']])),
    OBJECT: { getByName: (name: string) => ({ name, hello: async (whom: string) => `hello ${whom}` }) },
    TEXT: 'not a store',
  }
  const env = far.env(near)
  expect(env.TEXT).toBe('not a store')
  expect(await timed(() => env.DB.prepare().bind().first())).toEqual([120, 'row'])
  // The statements reach D1 as its own.
  expect(await timed(() => env.DB.batch([env.DB.prepare().bind()]))).toEqual([120, true])
  expect(await timed(() => env.KV.get('k', 'json'))).toEqual([120, { a: 1 }])
  const stub = env.OBJECT.getByName('one')
  expect(stub.name).toBe('one')
  expect(await timed(() => stub.hello('you'))).toEqual([120, 'hello you'])
  const fetch = far.fetch(
    'UPSTASH',
    async () => new Response('ok'),
    (url) => url.includes('upstash'),
  )
  expect((await timed(() => fetch('https://db.upstash.io/')))[0]).toBe(120)
  expect((await timed(() => fetch('https://model.example.com/')))[0]).toBe(0)
})

test('KV shows what was written 90 s ago, also to who wrote it, and what was there before any write', async () => {
  const kv = far.keyValue('KV', namespaceOf(new Map([['k', 'old']])))
  const get = async () => (await timed(() => kv.get('k')))[1]
  await clock.run(kv.put('k', 'new'))
  expect(await get()).toBe('old')
  await clock.advance(60_000)
  await clock.run(kv.delete('k'))
  expect(await get()).toBe('old')
  await clock.advance(31_000)
  expect(await get()).toBe('new')
  await clock.advance(60_000)
  expect(await get()).toBeNull()
})

test('a store fails, hangs and comes back when told; an aborted object breaks what is under way and nothing later', async () => {
  const call = () => far.call('OBJECT', () => 'answer')
  far.trouble('OBJECT', 'fails')
  expect((await timed(call))[1]).toContain('OBJECT is down')
  far.trouble('OBJECT', 'hangs')
  let isAnswered = false
  call().then(() => {
    isAnswered = true
  })
  await clock.advance(3_600_000)
  expect(isAnswered).toBe(false)
  far.trouble('OBJECT', undefined)

  let evictions = 0
  const underWay = call().catch(String)
  await far.abort('OBJECT', () => {
    evictions += 1
  })
  expect(await clock.run(underWay)).toContain('aborted')
  expect(evictions).toBe(1)
  expect((await timed(call))[1]).toBe('answer')
})
