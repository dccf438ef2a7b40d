/** Who waits when all are busy: bounded, tenants take turns, nobody waits in vain. In virtual time, over the region's object. */
import { expect, test } from 'vitest'
import type { Deployment } from '../../../src/chat/ports.ts'
import { AppError } from '../../../src/errors.ts'
import type { IsolateHealth } from '../../../src/health/isolate-health.ts'
import { call, healthRegion, type Region } from '../../support/health-region.ts'
import { deploymentOf } from '../../support/routes.ts'

const never = new AbortController().signal
const busy = (inFlightMax: number, length = 10, waitMs = 20_000) =>
  deploymentOf({ id: 'busy', inFlightMax, queue: { length, waitMs } })

type Waiting = { tenantId: string; answer: Promise<string> }

/** Waits, is answered for `callMs`, and tells in `served` in which order. */
function waits(
  region: Region,
  health: IsolateHealth,
  deployment: Deployment,
  tenantId: string,
  served: string[],
): Waiting {
  const who = { tenantId, deadlineMs: region.clock.nowMs() + 60_000 }
  const answer = health.wait([deployment], who, never).then(
    async ({ call: entered }) => {
      served.push(tenantId)
      await region.clock.sleep(100)
      entered.firstEvent()
      entered.end(undefined)
      return 'served'
    },
    (thrown: unknown) => (thrown instanceof AppError ? `${thrown.code} ${thrown.retryAfterSeconds}` : 'broken'),
  )
  return { tenantId, answer }
}

test('tenants take turns, across isolates, and each tenant’s are served in their order', async () => {
  const region = healthRegion()
  const [first, second] = [region.isolate(), region.isolate()]
  const one = busy(1)
  const running = first.enter(one)
  await region.clock.advance(1_500)
  const served: string[] = []
  const all: Waiting[] = []
  for (const tenant of ['loud', 'loud', 'loud', 'loud']) {
    all.push(waits(region, first, one, tenant, served))
    await region.clock.advance(20)
  }
  all.push(waits(region, second, one, 'quiet', served))
  await region.clock.advance(30)
  running?.end(undefined)
  await region.clock.advance(5_000)
  expect(await Promise.all(all.map(({ answer }) => answer))).toEqual(all.map(() => 'served'))
  expect(served).toEqual(['loud', 'quiet', 'loud', 'loud', 'loud'])
})

test('never more calls at once than there may be, from all isolates together', async () => {
  const region = healthRegion()
  const isolates = [region.isolate(), region.isolate(), region.isolate()]
  const few = busy(2, 100)
  const served: string[] = []
  let atOnce = 0
  let most = 0
  const all = Array.from({ length: 12 }, async (_, i) => {
    const health = isolates[i % 3]
    if (!health) throw new Error('no isolate')
    const { call: entered } = await health.wait(
      [few],
      { tenantId: `t${i}`, deadlineMs: region.clock.nowMs() + 60_000 },
      never,
    )
    most = Math.max(most, ++atOnce)
    served.push(`t${i}`)
    await region.clock.sleep(200)
    atOnce -= 1
    entered.end(undefined)
  })
  await region.clock.run(Promise.all(all))
  expect(served).toHaveLength(12)
  expect(most).toBe(2)
})

test('who comes while others wait does not pass them', async () => {
  const region = healthRegion()
  const health = region.isolate()
  const one = busy(1)
  const running = health.enter(one)
  const served: string[] = []
  waits(region, health, one, 't', served)
  await region.clock.advance(1_500)
  expect(health.view(one).state).toBe('full')
  running?.end(undefined)
  expect(health.enter(one)).toBeUndefined()
  await region.clock.advance(200)
  expect(served).toEqual(['t'])
})

test('the queue is bounded: one more is refused at once', async () => {
  const region = healthRegion()
  const health = region.isolate()
  const one = busy(1, 2)
  health.enter(one)
  const served: string[] = []
  const [, , third] = [1, 2, 3].map(() => waits(region, health, one, 't', served))
  const before = region.clock.nowMs()
  expect(await region.clock.run(third?.answer)).toMatch(/^upstream_overloaded \d+$/)
  expect(region.clock.nowMs() - before).toBeLessThan(50)
})

test('who cannot be served in time is refused at once, with the seconds it would have taken', async () => {
  const region = healthRegion()
  const health = region.isolate()
  const one = busy(1, 10, 3_000)
  // Calls take ten seconds.
  const past = health.enter(one)
  await region.clock.advance(10_000)
  past?.end(undefined)
  health.enter(one)
  await region.clock.advance(1_000)
  const before = region.clock.nowMs()
  expect(await region.clock.run(waits(region, health, one, 't', []).answer)).toBe('upstream_overloaded 10')
  expect(region.clock.nowMs() - before).toBeLessThan(50)
})

test('who is not served by his deadline is refused then', async () => {
  const region = healthRegion()
  const health = region.isolate()
  const one = busy(1, 10, 2_000)
  health.enter(one)
  const before = region.clock.nowMs()
  expect(await region.clock.run(waits(region, health, one, 't', []).answer)).toMatch(/^upstream_overloaded/)
  expect(region.clock.nowMs() - before).toBeGreaterThanOrEqual(2_000)
  expect(region.clock.nowMs() - before).toBeLessThan(2_100)
})

test('when Retry-After has passed the queue is let go, one by one at first and faster as they are answered', async () => {
  const region = healthRegion()
  const health = region.isolate()
  const unbounded = deploymentOf({ id: 'asks', queue: { length: 100, waitMs: 30_000 } })
  call(health, unbounded, { code: 'upstream_rate_limited', retryAfterSeconds: 5 })
  const served: string[] = []
  const startMs = region.clock.nowMs()
  const times: number[] = []
  const all = Array.from({ length: 20 }, (_, i) => waits(region, health, unbounded, `t${i}`, served))
  for (let i = 0; i < 20 && served.length < 20; ) {
    await region.clock.advance(20)
    for (; i < served.length; i++) times.push(region.clock.nowMs() - startMs)
  }
  await region.clock.run(Promise.all(all.map(({ answer }) => answer)))
  expect(times).toHaveLength(20)
  expect(times[0]).toBeGreaterThanOrEqual(5_000)
  expect(times.filter((ms) => ms < 5_100)).toHaveLength(1)
  expect(times.at(-1)).toBeLessThan(7_000)
})

test('who waits for one that is open is its next try, and alone', async () => {
  const region = healthRegion()
  const health = region.isolate()
  const one = deploymentOf({ id: 'open', queue: { length: 10, waitMs: 20_000 } })
  for (let i = 0; i < 3; i++) call(health, one, { code: 'upstream_unavailable' })
  const who = { tenantId: 't', deadlineMs: region.clock.nowMs() + 60_000 }
  const first = health.wait([one], who, never)
  let others = 0
  const second = health.wait([one], who, never).then(({ call: entered }) => {
    others += 1
    entered.end(undefined)
  })
  const { call: entered } = await region.clock.run(first)
  await region.clock.advance(2_000)
  expect(others).toBe(0)
  entered.firstEvent()
  entered.end(undefined)
  await region.clock.run(second)
  await region.clock.advance(1_000)
  expect(health.view(one).state).toBe('well')
})

test('while the object is down the isolate keeps the queue itself', async () => {
  const region = healthRegion()
  const health = region.isolate()
  const one = busy(1)
  const running = health.enter(one)
  region.fail(true)
  const served: string[] = []
  const all = ['a', 'a', 'b'].map((tenant) => waits(region, health, one, tenant, served))
  await region.clock.advance(300)
  expect(served).toEqual([])
  running?.end(undefined)
  await region.clock.advance(3_000)
  expect(await Promise.all(all.map(({ answer }) => answer))).toEqual(['served', 'served', 'served'])
  expect(served).toEqual(['a', 'b', 'a'])
})

test('a place that was given to who is gone goes to the next', async () => {
  const region = healthRegion()
  const health = region.isolate()
  const one = busy(1)
  const running = health.enter(one)
  await region.clock.advance(1_500)
  const leaving = new AbortController()
  const gone = health.wait([one], { tenantId: 'a', deadlineMs: region.clock.nowMs() + 60_000 }, leaving.signal)
  const lost = expect(gone).rejects.toBeInstanceOf(AppError)
  await region.clock.advance(50)
  const served: string[] = []
  const next = waits(region, health, one, 'b', served)
  await region.clock.advance(50)
  running?.end(undefined)
  // The place is on its way when he leaves.
  await region.clock.advance(35)
  leaving.abort()
  await region.clock.run(lost)
  expect(await region.clock.run(next.answer)).toBe('served')
  await region.clock.advance(1_500)
  expect(health.view(one)).toMatchObject({ state: 'well', inFlight: 0 })
})
