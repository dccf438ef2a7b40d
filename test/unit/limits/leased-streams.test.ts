/** Places for answers at the same time, over simulated isolates. */
import { expect, test } from 'vitest'
import { LEASE_MS, leasedStreams, type StreamVerdict } from '../../../src/limits/leased-streams.ts'
import { memoryStore } from '../../support/limits/memory-store.ts'
import { simulatedWorld } from '../../support/limits/simulated-world.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const START_MS = 1_800_000_000_000

function setUp(loses: () => 'call' | 'answer' | 'nothing' = () => 'nothing') {
  const world = simulatedWorld(START_MS)
  const store = memoryStore({ sleep: world.sleep, roundTripMs: () => 120, loses })
  let isolates = 0
  const isolate = () => {
    let isDead = false
    const streams = leasedStreams({
      store,
      nowMs: world.nowMs,
      sleep: world.sleep,
      waitUntil: (promise) => void promise,
      every(ms, call) {
        let isOver = false
        const tick = () => {
          if (isOver || isDead) return
          call()
          world.at(world.nowMs() + ms, tick)
        }
        world.at(world.nowMs() + ms, tick)
        return () => {
          isOver = true
        }
      },
      newHolderId: () => `isolate-${isolates++}`,
    })
    return {
      ...streams,
      die: () => {
        isDead = true
      },
    }
  }
  const verdict = async (entering: StreamVerdict | Promise<StreamVerdict>) => {
    let found: StreamVerdict | undefined
    void Promise.resolve(entering).then((value) => {
      found = value
    })
    for (let ms = 0; found === undefined && ms < 20_000; ms += 10) await world.run(world.nowMs() + 10)
    if (!found) throw new Error('No verdict within 20 s.')
    return found
  }
  return { world, store, isolate, verdict }
}

const counterOf = (amount: number) => ({ owner: 'tnt_a/key/k', name: 'streams', amount })

function leave(verdict: StreamVerdict): void {
  if (verdict.kind !== 'entered') throw new Error(`It was ${verdict.kind}.`)
  verdict.leave()
}

test('of three places four isolates get three, and one that ends is free for the fourth', async () => {
  const { world, isolate, verdict } = setUp()
  const isolates = Array.from({ length: 4 }, isolate)
  const verdicts: StreamVerdict[] = []
  for (const streams of isolates) verdicts.push(await verdict(streams.enter(counterOf(3))))
  expect(verdicts.map(({ kind }) => kind)).toEqual(['entered', 'entered', 'entered', 'refused'])
  leave(verdicts[0] as StreamVerdict)
  await world.run(world.nowMs() + 1_000)
  expect((await verdict((isolates[3] as (typeof isolates)[number]).enter(counterOf(3)))).kind).toBe('entered')
})

test('a long answer keeps its place, and that of an isolate that died is free half a minute later', async () => {
  const { world, isolate, verdict } = setUp()
  const [one, two] = [isolate(), isolate()]
  const entered = await verdict(one.enter(counterOf(1)))
  await world.run(world.nowMs() + 10 * LEASE_MS)
  expect((await verdict(two.enter(counterOf(1)))).kind).toBe('refused')
  one.die()
  await world.run(world.nowMs() + LEASE_MS + 1_000)
  expect((await verdict(two.enter(counterOf(1)))).kind).toBe('entered')
  expect(entered.kind).toBe('entered')
})

test('leaving twice frees one place', async () => {
  const { world, isolate, verdict } = setUp()
  const streams = isolate()
  const [first, second] = [await verdict(streams.enter(counterOf(2))), await verdict(streams.enter(counterOf(2)))]
  expect(second.kind).toBe('entered')
  leave(first)
  leave(first)
  await world.run(world.nowMs() + 1_000)
  expect((await verdict(streams.enter(counterOf(2)))).kind).toBe('entered')
  expect((await verdict(streams.enter(counterOf(2)))).kind).toBe('refused')
})

test('above a limit of 25 only the first answer waits for the store, also after pauses', async () => {
  const { world, isolate, verdict } = setUp()
  const streams = isolate()
  leave(await verdict(streams.enter(counterOf(100))))
  for (let i = 0; i < 20; i++) {
    await world.run(world.nowMs() + 9_000)
    const entering = streams.enter(counterOf(100))
    expect(entering).not.toBeInstanceOf(Promise)
    leave(await verdict(entering))
  }
})

test('while the store fails the places that it gave are used for a minute more, then nobody enters', async () => {
  let down = false
  const { world, isolate, verdict } = setUp(() => (down ? 'call' : 'nothing'))
  const streams = isolate()
  leave(await verdict(streams.enter(counterOf(100))))
  down = true
  await world.run(world.nowMs() + 40_000)
  leave(await verdict(streams.enter(counterOf(100))))
  await world.run(world.nowMs() + 21_000)
  expect((await verdict(streams.enter(counterOf(100)))).kind).toBe('failed')
  expect((await verdict(isolate().enter(counterOf(100)))).kind).toBe('failed')
  down = false
  await world.run(world.nowMs() + 1_100)
  expect((await verdict(streams.enter(counterOf(100)))).kind).toBe('entered')
})

test.each(Array.from({ length: 30 }, (_, i) => i + 1))(
  'never are there more answers than places, and in the end all are free (seed %i)',
  async (seed) => {
    const { world, isolate, verdict } = setUp()
    const random = seededRandom(seed)
    const counter = counterOf(random.pick([1, 3, 30, 100]))
    const isolates = Array.from({ length: 1 + random.below(20) }, isolate)
    let running = 0
    let most = 0
    let entered = 0
    for (let i = 0; i < 400; i++) {
      world.at(START_MS + random.below(60_000), () => {
        const streams = random.pick(isolates)
        void Promise.resolve(streams.enter(counter)).then((found) => {
          if (found.kind !== 'entered') return
          running += 1
          entered += 1
          most = Math.max(most, running)
          world.at(world.nowMs() + random.below(20_000), () => {
            running -= 1
            found.leave()
          })
        })
      })
    }
    await world.run(START_MS + 200_000)
    expect(running).toBe(0)
    expect(entered).toBeGreaterThan(2)
    expect(most).toBeLessThanOrEqual(counter.amount)
    const last = isolate()
    for (let i = 0; i < counter.amount; i++) expect((await verdict(last.enter(counter))).kind).toBe('entered')
  },
)
