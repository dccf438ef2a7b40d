/** What isolates remember of D1 stays fresh, and what happens when those who know cannot be asked. On a virtual clock. */
import { describe, expect, test } from 'vitest'
import { boundedMap } from '../../src/directory/bounded-map.ts'
import type { Change } from '../../src/directory/change.ts'
import { changeFeed } from '../../src/directory/change-feed.ts'
import { AppError } from '../../src/errors.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { virtualClock } from '../support/virtual-clock.ts'
import { directoryWorld } from './directory-world.ts'

const MINUTE = 60_000

function codeOf(thrown: unknown): string {
  if (!(thrown instanceof AppError)) throw thrown
  return thrown.code
}

describe('what is known', () => {
  test('is answered at once, without a promise, and asks nobody', async () => {
    const world = directoryWorld()
    world.write('t1', 'one')
    const isolate = world.isolate()
    await isolate.ask('t1')
    await world.clock.advance(1_000)
    await isolate.ask('t1')
    const loads = world.loads()
    for (let i = 0; i < 1_000; i++) expect(isolate.recall('t1')).toBe('one')
    await world.clock.advance(1_000)
    expect(world.loads()).toBe(loads)
  })

  test('is asked about in the background every 3 s while requests come, and not when none do', async () => {
    const world = directoryWorld()
    world.write('t1', 'one')
    const isolate = world.isolate()
    for (let second = 0; second < 30; second++) {
      expect(await isolate.ask('t1')).toBe('one')
      await world.clock.advance(1_000)
    }
    expect(world.asks()).toBeGreaterThan(8)
    expect(world.asks()).toBeLessThan(12)
    const asks = world.asks()
    await world.clock.advance(60 * MINUTE)
    expect(world.asks()).toBe(asks)
  })

  test('is checked before it is used when the isolate has been idle for longer than 10 s', async () => {
    const world = directoryWorld()
    world.write('t1', 'one')
    const isolate = world.isolate()
    await isolate.ask('t1')
    await world.clock.advance(1_000)
    await isolate.ask('t1')
    await world.clock.advance(11_000)
    const loads = world.loads()
    expect(isolate.recall('t1')).toBeInstanceOf(Promise)
    expect(await isolate.ask('t1')).toBe('one')
    expect(world.loads()).toBe(loads)
    world.write('t1', 'two')
    await world.clock.advance(11_000)
    expect(await isolate.ask('t1')).toBe('two')
  })

  test('is loaded once however many ask at the same time', async () => {
    const world = directoryWorld()
    world.write('t1', 'one')
    const isolate = world.isolate()
    expect(await world.clock.run(Promise.all(Array.from({ length: 50 }, () => isolate.recall('t1'))))).toEqual(
      Array(50).fill('one'),
    )
    expect(world.loads()).toBe(1)
  })

  test('is prepared once a load, and shared', async () => {
    const world = directoryWorld()
    world.write('t1', 'a+')
    let prepared = 0
    const { directory } = world.isolate()
    const recall = directory.remember<string, RegExp>({
      kind: 'pattern',
      load: async (key) => world.rows.get(key),
      prepare: (stored = '$^') => {
        prepared += 1
        return new RegExp(stored)
      },
    })
    await world.clock.run(recall('t1'))
    await world.clock.advance(500)
    const pattern = await world.clock.run(recall('t1'))
    const before = prepared
    expect(recall('t1')).toBe(pattern)
    expect(prepared).toBe(before)
  })

  test('and cannot be prepared is an error of that one thing, and D1 is not thought to fail', async () => {
    const world = directoryWorld()
    for (const key of ['wrong', 't1', 't2']) world.write(key, key)
    const { directory } = world.isolate()
    const recall = directory.remember<string, string>({
      kind: 'fussy',
      load: async (key) => world.rows.get(key),
      prepare: (stored = '') => {
        if (stored === 'wrong') throw new Error('unreadable')
        return stored
      },
    })
    const outcome = async (key: string) => world.clock.run(Promise.resolve(recall(key)).catch(codeOf))
    expect(await outcome('t1')).toBe('t1')
    expect(await outcome('wrong')).toBe('internal_error')
    expect(await outcome('t2')).toBe('t2')
  })

  test('is bounded: what was not used for longest goes', () => {
    const map = boundedMap<number>(10)
    for (let i = 0; i < 1_000; i++) {
      map.set(`k${i}`, i)
      map.get('k0')
    }
    expect(map.get('k0')).toBe(0)
    const left = Array.from({ length: 1_000 }, (_, i) => map.get(`k${i}`)).filter((value) => value !== undefined)
    expect(left.length).toBeGreaterThan(1)
    expect(left.length).toBeLessThanOrEqual(10)
  })
})

describe('a change', () => {
  test('is seen by the writing isolate when its write has returned, and by a busy one 3 s later', async () => {
    const world = directoryWorld()
    world.write('t1', 'one')
    const [writer, other] = [world.isolate(), world.isolate()]
    for (const isolate of [writer, other]) await isolate.ask('t1')
    await world.clock.advance(500)
    for (const isolate of [writer, other]) await isolate.ask('t1')
    world.write('t1', undefined)
    await world.clock.run(writer.directory.changed())
    expect(await writer.ask('t1')).toBeUndefined()
    expect(other.recall('t1')).toBe('one')
    await world.clock.advance(3_000)
    other.recall('t1')
    await world.clock.advance(300)
    expect(await other.ask('t1')).toBeUndefined()
  })

  test('of another kind or of another tenant leaves what is known', async () => {
    const world = directoryWorld()
    world.write('t1', 'one')
    const isolate = world.isolate()
    await isolate.ask('t1')
    await world.clock.advance(500)
    await isolate.ask('t1')
    const loads = world.loads()
    world.write('t1', 'one', 'price')
    world.write('t2', 'two')
    await world.clock.run(isolate.directory.changed())
    expect(isolate.recall('t1')).toBe('one')
    expect(world.loads()).toBe(loads)
  })

  test('without a subject makes all of its kind stale where keys are subjects', async () => {
    const world = directoryWorld()
    world.write('k1', 'one')
    const isolate = world.isolate({ key: ({ subject }) => subject })
    await isolate.ask('k1')
    await world.clock.advance(500)
    await isolate.ask('k1')
    world.write('k1', undefined, 'text', '')
    await world.clock.run(isolate.directory.changed())
    expect(await isolate.ask('k1')).toBeUndefined()
  })

  test('that was heard of while its key was being loaded is not lost', async () => {
    const world = directoryWorld()
    world.write('t1', 'old')
    let release: () => void = () => undefined
    const isolate = world.isolate({
      load: async (key) => {
        const read = world.rows.get(key)
        if (read === 'old') await new Promise<void>((resolve) => (release = resolve))
        return read
      },
    })
    await world.clock.run(isolate.directory.changed())
    const slow = isolate.recall('t1')
    world.write('t1', 'new')
    await world.clock.run(isolate.directory.changed())
    // Who comes now does not join the load that read before the change.
    expect(await isolate.ask('t1')).toBe('new')
    release()
    expect(await slow).toBe('old')
    expect(isolate.recall('t1')).toBe('new')
  })

  test('committed while the object looks is in the answer to its writer', async () => {
    const clock = virtualClock()
    const row = (seq: number): Change => ({ seq, kind: 'text', tenantId: 't1', subject: '', atMs: seq })
    const rows = [row(1)]
    const feed = changeFeed({
      ...clock,
      warn: () => undefined,
      table: {
        async newest(seq) {
          const read = rows.filter((change) => change.seq >= seq)
          await clock.sleep(100)
          return read
        },
        prune: async () => undefined,
      },
    })
    const looking = feed.changesSince(undefined)
    await clock.advance(50)
    rows.push(row(2))
    expect(await clock.run(feed.poke({ seq: 1, atMs: 1 }))).toMatchObject({ kind: 'changes', changes: [row(2)] })
    await looking
  })

  test('takes the copy of what was known out of the reserve', async () => {
    const world = directoryWorld()
    world.write('t1', 'one')
    const isolate = world.isolate()
    await isolate.ask('t1')
    await world.clock.advance(1_000)
    await isolate.ask('t1')
    await world.clock.advance(1_000)
    expect(world.store.has('text/t1')).toBe(true)
    world.write('t1', undefined)
    await world.clock.run(isolate.directory.changed())
    await world.clock.advance(1_000)
    expect(world.store.has('text/t1')).toBe(false)
  })

  test('heals without the writer’s poke, and after the object was evicted', async () => {
    const world = directoryWorld()
    world.write('t1', 'one')
    const isolate = world.isolate()
    await isolate.ask('t1')
    for (const value of ['two', 'three']) {
      for (let second = 0; second < 12; second++) {
        await isolate.ask('t1')
        await world.clock.advance(1_000)
      }
      world.write('t1', value)
      if (value === 'three') world.evictObject()
      for (let second = 0; second < 10; second++) {
        await isolate.ask('t1')
        await world.clock.advance(1_000)
      }
      expect(isolate.recall('t1')).toBe(value)
    }
  })

  test('is not missed by an isolate that missed more than the object remembers', async () => {
    const world = directoryWorld()
    world.write('t1', 'one')
    const isolate = world.isolate()
    await isolate.ask('t1')
    await world.clock.advance(500)
    await isolate.ask('t1')
    world.write('t1', 'two')
    for (let i = 0; i < 3_000; i++) world.write(`other${i}`, 'x')
    await world.clock.run(isolate.directory.changed())
    expect(await isolate.ask('t1')).toBe('two')
  })

  test('is not missed when the database was restored to an earlier minute and gives numbers out again', async () => {
    const world = directoryWorld()
    for (const value of ['one', 'two', 'three']) world.write('t1', value)
    const isolate = world.isolate()
    await isolate.ask('t1')
    await world.clock.advance(500)
    expect(await isolate.ask('t1')).toBe('three')
    world.restore(2)
    await world.clock.advance(100)
    world.write('t1', 'again')
    for (let i = 0; i < 5; i++) world.write('t2', 'x')
    await world.clock.run(isolate.directory.changed())
    expect(await isolate.ask('t1')).toBe('again')
  })
})

test('whatever happens to object and pokes, a change is everywhere within 10 s, with key-value reads 90 s stale', async () => {
  const minutes = 20
  const random = seededRandom(20_261_124)
  const world = directoryWorld()
  const keys = Array.from({ length: 8 }, (_, i) => `t${i}`)
  const committed = new Map(keys.map((key) => [key, [] as { atMs: number; value: string }[]]))
  const isolates = Array.from({ length: 3 }, () => world.isolate())
  let writes = 0
  const write = (key: string) => {
    writes += 1
    const value = `v${writes}`
    world.write(key, value)
    committed.get(key)?.push({ atMs: world.clock.nowMs(), value })
  }
  keys.forEach(write)
  const running: Promise<void>[] = []
  /** While D1 fails, and for as long afterwards as the first answer may take, only errors are allowed beyond what was known. */
  let isFailing = false
  let recoveredAtMs = Number.NEGATIVE_INFINITY
  let checked = 0
  const ask = async (isolate: (typeof isolates)[number], key: string) => {
    const history = committed.get(key) ?? []
    const mustBeKnown = history.findLastIndex(({ atMs }) => atMs <= world.clock.nowMs() - 10_000)
    const holds = !isFailing && world.clock.nowMs() - recoveredAtMs > 10_000
    let value: string | undefined
    try {
      value = await isolate.recall(key)
    } catch (thrown) {
      expect(codeOf(thrown)).toBe('store_unavailable')
      expect(holds && !isFailing).toBe(false)
      return
    }
    if (!holds) return
    checked += 1
    expect(history.findIndex((version) => version.value === value)).toBeGreaterThanOrEqual(mustBeKnown)
  }
  const until = world.clock.nowMs() + minutes * MINUTE
  let asked = 0
  while (world.clock.nowMs() < until) {
    // Busy at times, idle at others.
    await world.clock.advance(random.chance(0.02) ? random.below(40_000) : random.below(400))
    if (random.chance(0.005)) {
      isFailing = !isFailing
      if (!isFailing) recoveredAtMs = world.clock.nowMs()
      world.far.trouble('DB', isFailing ? 'fails' : undefined)
    }
    if (!isFailing && random.chance(0.05)) {
      write(random.pick(keys))
      if (random.chance(0.5)) running.push(random.pick(isolates).directory.changed())
    }
    if (random.chance(0.01)) {
      world.evictObject()
      await world.far.abort('CONFIG')
    }
    if (random.chance(0.01))
      world.far.trouble('CONFIG', random.pick(['fails', 'hangs', undefined, undefined, undefined]))
    running.push(ask(random.pick(isolates), random.pick(keys)))
    asked += 1
  }
  world.far.trouble('CONFIG', undefined)
  await world.clock.advance(10_000)
  await Promise.all(running)
  expect(asked).toBeGreaterThan(1_000)
  expect(checked).toBeGreaterThan(asked / 4)
  expect(writes).toBeGreaterThan(50)
})

test('an object that does not answer is waited for once, not by every request', async () => {
  const world = directoryWorld()
  const keys = Array.from({ length: 10 }, (_, i) => `t${i}`)
  for (const key of keys) world.write(key, 'one')
  const isolate = world.isolate()
  for (const key of keys) await isolate.ask(key)
  world.far.trouble('CONFIG', 'hangs')
  await world.clock.advance(20_000)
  const before = world.clock.nowMs()
  for (const key of keys.slice(0, 5)) expect(await isolate.ask(key)).toBe('one')
  expect(world.clock.nowMs() - before).toBeLessThan(2_000 + 5 * 200)
})

describe('when D1 is down', () => {
  test('what an isolate knows serves for 15 minutes, at once after the first failure, then the answer is 503', async () => {
    const world = directoryWorld()
    world.write('t1', 'one')
    const isolate = world.isolate()
    await isolate.ask('t1')
    await world.clock.advance(500)
    await isolate.ask('t1')
    for (const trouble of ['fails', 'hangs'] as const) {
      world.far.trouble('DB', trouble)
      world.far.trouble('RESERVE', 'fails')
      await world.clock.advance(20_000)
      expect(await isolate.ask('t1')).toBe('one')
      for (let second = 0; second < 14 * 60; second++) {
        expect(isolate.recall('t1')).toBe('one')
        await world.clock.advance(1_000)
      }
      // Somebody asks all the time: also then it ends.
      for (let second = 0; second < 60; second++) {
        await isolate.ask('t1').catch(codeOf)
        await world.clock.advance(1_000)
      }
      await expect(isolate.ask('t1').catch(codeOf)).resolves.toBe('store_unavailable')
      world.far.trouble('DB', undefined)
      await world.clock.advance(10_000)
      expect(await isolate.ask('t1')).toBe('one')
      await world.clock.advance(2_000)
      expect(await isolate.ask('t1')).toBe('one')
    }
  })

  test('for a moment, nobody is answered by what was remembered then, once the isolate was idle', async () => {
    const world = directoryWorld()
    world.write('t1', 'one')
    const isolate = world.isolate()
    await isolate.ask('t1')
    await world.clock.advance(1_000)
    await isolate.ask('t1')
    world.far.trouble('DB', 'fails')
    await expect(isolate.ask('t2').catch(codeOf)).resolves.toBe('store_unavailable')
    world.far.trouble('DB', undefined)
    await world.clock.advance(5 * MINUTE)
    world.write('t1', 'two')
    await world.clock.advance(MINUTE)
    expect(await isolate.ask('t1')).toBe('two')
  })

  test('it is tried again in the background, also while the object stays away', async () => {
    const world = directoryWorld()
    world.write('t1', 'one')
    const isolate = world.isolate()
    await isolate.ask('t1')
    for (const name of ['DB', 'CONFIG']) world.far.trouble(name, 'fails')
    await world.clock.advance(20_000)
    expect(await isolate.ask('t1')).toBe('one')
    world.write('t1', 'two')
    world.far.trouble('DB', undefined)
    for (let second = 0; second < 3; second++) {
      isolate.recall('t1')
      await world.clock.advance(1_000)
    }
    expect(await isolate.ask('t1')).toBe('two')
  })

  test('and the object too, an isolate that never saw the key takes it from the reserve, for 15 minutes', async () => {
    const world = directoryWorld()
    world.write('t1', 'one')
    const busy = world.isolate()
    for (let second = 0; second < 400; second++) {
      await busy.ask('t1')
      await world.clock.advance(1_000)
    }
    // The copy of the first minute was confirmed meanwhile.
    world.far.trouble('DB', 'fails')
    world.far.trouble('CONFIG', 'fails')
    await world.clock.advance(2 * MINUTE)
    expect(await world.isolate().ask('t1')).toBe('one')
    await world.clock.advance(9 * MINUTE)
    expect(await world.isolate().ask('t1')).toBe('one')
    await world.clock.advance(5 * MINUTE)
    await expect(world.isolate().ask('t1').catch(codeOf)).resolves.toBe('store_unavailable')
  })

  test('and the reserve too, what nobody knows is 503, not a guess', async () => {
    const world = directoryWorld()
    world.write('t1', 'one')
    for (const name of ['DB', 'CONFIG', 'RESERVE']) world.far.trouble(name, 'fails')
    await expect(world.isolate().ask('t1').catch(codeOf)).resolves.toBe('store_unavailable')
  })

  test('the reserve does not bring back what was changed before, if the object can be asked', async () => {
    const world = directoryWorld()
    world.write('t1', 'one')
    const first = world.isolate()
    await first.ask('t1')
    await world.clock.advance(2 * MINUTE)
    world.write('t1', undefined)
    // Somebody has asked the object since.
    await world.clock.run(world.isolate().directory.changed())
    world.far.trouble('DB', 'fails')
    await world.clock.advance(10_000)
    expect(world.store.has('text/t1')).toBe(true)
    // D1 fails at once, the object answers after it has tried to look.
    const isolate = world.isolate({ load: () => Promise.reject(new Error('D1 is down.')) })
    await expect(isolate.ask('t1').catch(codeOf)).resolves.toBe('store_unavailable')
  })

  test('an isolate that has heard of a change does not go back behind it', async () => {
    const world = directoryWorld()
    world.write('t1', 'one')
    const isolate = world.isolate()
    await isolate.ask('t1')
    await world.clock.advance(2 * MINUTE)
    await isolate.ask('t1')
    world.write('t1', undefined)
    await world.clock.run(isolate.directory.changed())
    for (const name of ['DB', 'CONFIG']) world.far.trouble(name, 'fails')
    // Key-value storage still shows the copy of two minutes ago.
    await expect(isolate.ask('t1').catch(codeOf)).resolves.toBe('store_unavailable')
  })
})

describe('keys that callers make up', () => {
  const guessing = { keysFromCallers: true, key: ({ subject }: { subject: string }) => subject }

  test('cost one load each, push out no real ones, and a key that is made later works at once', async () => {
    const world = directoryWorld()
    world.write('real', 'one')
    const isolate = world.isolate({ ...guessing, keysMax: 10 })
    await isolate.ask('real')
    await world.clock.advance(1_000)
    await isolate.ask('real')
    for (let i = 0; i < 50; i++) expect(await isolate.ask('made-up')).toBeUndefined()
    await world.clock.advance(1_000)
    expect([...world.store.keys()]).toEqual(['text/real'])
    const loads = world.loads()
    for (let i = 0; i < 60; i++) await isolate.ask(`guess${i}`)
    expect(world.loads()).toBe(loads + 60)
    expect(isolate.recall('real')).toBe('one')
    world.write('made-up', 'now it is')
    await world.clock.run(isolate.directory.changed())
    expect(await isolate.ask('made-up')).toBe('now it is')
  })

  test('beyond 100 a second do not reach D1; known ones go on, and the next second is another', async () => {
    const world = directoryWorld()
    world.write('real', 'one')
    let loads = 0
    const isolate = world.isolate({
      ...guessing,
      load: async (key) => {
        loads += 1
        return world.rows.get(key)
      },
    })
    await isolate.ask('real')
    await world.clock.advance(1_000)
    await isolate.ask('real')
    await world.clock.advance(1_000 - (world.clock.nowMs() % 1_000))
    const before = loads
    const codes = new Map<string, number>()
    for (let i = 0; i < 500; i++) {
      const code = await isolate.ask(`guess${i}`).then(() => 'unknown', codeOf)
      codes.set(code, (codes.get(code) ?? 0) + 1)
    }
    expect(loads - before).toBe(100)
    expect(Object.fromEntries(codes)).toEqual({ unknown: 100, store_unavailable: 400 })
    expect(await isolate.ask('real')).toBe('one')
    await world.clock.advance(1_000)
    expect(await isolate.ask('guess-next')).toBeUndefined()
  })
})
