/** What isolates know of deployments, alone and from each other, over the Health object of their region; in virtual time. */
import { expect, test } from 'vitest'
import { AppError, type ErrorCode } from '../../../src/errors.ts'
import type { HealthReport } from '../../../src/health/health-wire.ts'
import type { IsolateHealth } from '../../../src/health/isolate-health.ts'
import { knownDeployment } from '../../../src/health/known-deployment.ts'
import { call, healthRegion, type Region } from '../../support/health-region.ts'
import { deploymentOf } from '../../support/routes.ts'

const A = deploymentOf({ id: 'a' })
const B = deploymentOf({ id: 'b' })
const DOWN = { code: 'upstream_unavailable' } as const
const never = new AbortController().signal

/** What an isolate with one call tells. */
async function reportOf(region: Region): Promise<HealthReport> {
  const described = { inFlightMax: undefined, queue: A.queue, check: undefined, isAnnounced: false }
  const parts = { nowMs: region.clock.nowMs, random: () => 0.5, changed: () => undefined }
  return { isolateId: 'x', news: { a: knownDeployment(() => described, parts).takeNews(region.clock.nowMs()) } }
}

const fail = (health: Parameters<typeof call>[0], times = 3) => {
  for (let i = 0; i < times; i++) call(health, A, DOWN)
}

test('one that nobody knows is well', () => {
  const health = healthRegion().isolate()
  expect(health.view(A)).toEqual({ state: 'well', inFlight: 0, latencyMs: undefined, closedUntilMs: undefined })
})

test('what opens one leaves its neighbours alone', () => {
  const region = healthRegion()
  const health = region.isolate()
  fail(health)
  expect(health.view(A).state).toBe('open')
  expect(health.view(A).closedUntilMs).toBeGreaterThan(region.clock.nowMs())
  expect(health.enter(A)).toBeUndefined()
  expect(health.view(B).state).toBe('well')
})

test.each<ErrorCode>([
  'upstream_rejected',
  'context_length_exceeded',
  'caller_gone',
  'body_too_large',
  'internal_error',
])('an error that is not the deployment’s never opens it: %s', (code) => {
  const health = healthRegion().isolate()
  for (let i = 0; i < 30; i++) call(health, A, { code })
  expect(health.view(A).state).toBe('well')
})

test.each<ErrorCode>([
  'upstream_unavailable',
  'upstream_interrupted',
  'upstream_timeout',
  'upstream_misconfigured',
  'upstream_overloaded',
])('three in a row open it: %s', (code) => {
  const health = healthRegion().isolate()
  const calls = [health.enter(A), health.enter(A), health.enter(A)]
  for (const entered of calls) entered?.end({ code })
  expect(health.view(A).state).toBe('open')
})

test('Retry-After closes it until then, and no longer', async () => {
  const region = healthRegion()
  const health = region.isolate()
  call(health, A, { code: 'upstream_rate_limited', retryAfterSeconds: 7 })
  expect(health.view(A).closedUntilMs).toBe(region.clock.nowMs() + 7_000)
  await region.clock.advance(6_999)
  expect(health.enter(A)).toBeUndefined()
  await region.clock.advance(2)
  expect(health.enter(A)).toBeDefined()
})

test('calls in flight and the time to the first event are known', async () => {
  const region = healthRegion()
  const health = region.isolate()
  const first = health.enter(A)
  health.enter(A)
  expect(health.view(A).inFlight).toBe(2)
  await region.clock.advance(300)
  first?.firstEvent()
  first?.end(undefined)
  first?.end(undefined)
  expect(health.view(A)).toMatchObject({ inFlight: 1, latencyMs: 300 })
})

test('a failure of a call that began before it opened does not open it for longer', async () => {
  const region = healthRegion()
  const health = region.isolate()
  const old = health.enter(A)
  fail(health)
  await region.clock.advance(1_300)
  for (let i = 0; i < 60 && !call(health, A); i++) {
    health.view(A)
    await region.clock.advance(50)
  }
  expect(health.view(A).state).toBe('well')
  old?.end(DOWN)
  expect(health.view(A).state).toBe('well')
})

test('what one isolate opens is open for all within two seconds', async () => {
  const region = healthRegion()
  const [first, second] = [region.isolate(), region.isolate()]
  call(second, A)
  await region.clock.advance(5_000)
  fail(first)
  const openedAtMs = region.clock.nowMs()
  while (second.view(A).state === 'well' && region.clock.nowMs() < openedAtMs + 10_000) {
    // It goes on with other calls: those are what it reports.
    call(second, B)
    await region.clock.advance(50)
  }
  expect(second.view(A).state).toBe('open')
  expect(region.clock.nowMs() - openedAtMs).toBeLessThanOrEqual(2_000)
})

test('when its time is over one call of all isolates tries, and when it is answered all go back', async () => {
  const region = healthRegion()
  const isolates = Array.from({ length: 8 }, () => region.isolate())
  const [first] = isolates
  if (!first) throw new Error('no isolate')
  for (const one of isolates) call(one, A)
  await region.clock.advance(2_000)
  fail(first)
  await region.clock.advance(900)

  let tries = 0
  let held: ReturnType<typeof first.enter>
  for (let i = 0; i < 40; i++) {
    for (const one of isolates) {
      call(one, B)
      if (one.view(A).state === 'well' && tries === 0) continue
      const entered = one.enter(A)
      if (!entered) continue
      tries += 1
      held = entered
    }
    if (held) break
    await region.clock.advance(50)
  }
  // While it has not said anything nobody else may.
  for (let i = 0; i < 50; i++) {
    for (const one of isolates) {
      call(one, B)
      if (one.enter(A)) tries += 1
    }
    await region.clock.advance(50)
  }
  expect(tries).toBe(1)
  held?.firstEvent()
  held?.end(undefined)
  for (let i = 0; i < 40; i++) {
    for (const one of isolates) call(one, B)
    await region.clock.advance(50)
  }
  expect(isolates.map((one) => one.view(A).state)).toEqual(isolates.map(() => 'well'))
})

test('a try that hangs keeps nobody out for long, and its failure afterwards opens nothing again', async () => {
  const region = healthRegion()
  const [first, second] = [region.isolate(), region.isolate()]
  call(second, A)
  await region.clock.advance(1_100)
  fail(first)
  while (second.view(A).state === 'well') {
    call(second, B)
    await region.clock.advance(50)
  }
  const tryOf = async (health: IsolateHealth) => {
    for (let i = 0; i < 200; i++) {
      call(health, B)
      health.view(A)
      const entered = health.enter(A)
      if (entered) return entered
      await region.clock.advance(50)
    }
    throw new Error('nobody may try')
  }
  const hangs = await tryOf(first)
  const startedAtMs = region.clock.nowMs()
  const answers = await tryOf(second)
  expect(region.clock.nowMs() - startedAtMs).toBeLessThan(5_500)
  answers.firstEvent()
  answers.end(undefined)
  await region.clock.advance(1_500)
  call(first, B)
  await region.clock.advance(1_500)
  expect(first.view(A).state).toBe('well')
  hangs.end({ code: 'upstream_timeout' })
  for (let i = 0; i < 60; i++) {
    for (const one of [first, second]) call(one, B)
    await region.clock.advance(50)
  }
  expect([first.view(A).state, second.view(A).state]).toEqual(['well', 'well'])
})

test('while the object is down each isolate goes on with what it sees, and tries by itself', async () => {
  const region = healthRegion()
  const health = region.isolate()
  region.fail(true)
  fail(health)
  expect(health.view(A).state).toBe('open')
  let backAfterMs: number | undefined
  for (let ms = 0; ms < 15_000 && backAfterMs === undefined; ms += 50) {
    await region.clock.advance(50)
    health.view(A)
    if (call(health, A)) backAfterMs = ms
  }
  expect(backAfterMs).toBeLessThan(5_000)
  expect(health.view(A).state).toBe('well')
})

test('an object that forgot everything learns again what is open', async () => {
  const region = healthRegion()
  const [first, second] = [region.isolate(), region.isolate()]
  for (let i = 0; i < 6; i++) {
    fail(first)
    await region.clock.advance(i < 5 ? 50 : 0)
  }
  await region.clock.advance(500)
  region.evict()
  expect(first.view(A).state).toBe('open')
  call(first, B)
  call(second, B)
  await region.clock.advance(1_200)
  call(second, B)
  await region.clock.advance(1_200)
  expect([first.view(A).state, second.view(A).state]).not.toContain('well')
})

test('the usual request costs no call of the object: one a second, however many there are', async () => {
  const region = healthRegion()
  const health = region.isolate()
  for (let i = 0; i < 1_000; i++) {
    call(health, A)
    await region.clock.advance(10)
  }
  expect(region.exchanges()).toBeGreaterThan(5)
  expect(region.exchanges()).toBeLessThanOrEqual(11)
})

test('a report that was lost is told with the next one: nothing is counted twice or forgotten', () => {
  const clock = { nowMs: () => 1_000, random: () => 0.5, changed: () => undefined }
  const described = { inFlightMax: undefined, queue: A.queue, check: undefined, isAnnounced: false }
  const known = knownDeployment(() => described, clock)
  const ends = (code?: ErrorCode) => known.enter(1_000)?.end(code && { code })
  ends()
  ends('upstream_timeout')
  const lost = known.takeNews(1_000)
  ends()
  known.putBack(lost)
  expect(known.takeNews(1_000)).toMatchObject({ started: 3, ok: 2, failed: 1, ended: 3 })
  expect(known.takeNews(1_000)).toMatchObject({ started: 0, ok: 0, failed: 0, ended: 0 })
})

test('an answer that was on its way when a deployment opened here does not close it again', async () => {
  const region = healthRegion()
  const health = region.isolate()
  call(health, A)
  await region.clock.advance(15)
  fail(health)
  await region.clock.advance(100)
  expect(health.view(A).state).toBe('open')
})

test('a try whose caller hung up is the next one’s turn at once', async () => {
  const region = healthRegion()
  const health = region.isolate()
  fail(health)
  const tryAgain = async () => {
    for (let ms = 0; ms < 10_000; ms += 50) {
      health.view(A)
      const entered = health.enter(A)
      if (entered) return { entered, ms }
      await region.clock.advance(50)
    }
    throw new Error('nobody may try')
  }
  const { entered } = await tryAgain()
  entered.end({ code: 'caller_gone' })
  expect((await tryAgain()).ms).toBeLessThan(2_500)
})

test('a call that takes long goes on to count, those of an isolate that is gone do not', async () => {
  const region = healthRegion()
  const health = region.isolate()
  health.enter(A)
  await region.clock.advance(50)
  const [[, news] = []] = Object.entries((await reportOf(region)).news)
  if (!news) throw new Error('no report')
  await region.object().exchange({ isolateId: 'gone', news: { a: { ...news, inFlight: 3 } } })
  const inFlight = () => region.object().deployments().get('a')?.inFlight(region.clock.nowMs())
  expect(inFlight()).toBe(4)
  await region.clock.advance(45_000)
  expect(inFlight()).toBe(1)
})

test('a server that announces itself is used while it does, and not before or after', async () => {
  let endpoints: Record<string, { url: string; draining: boolean }> = {}
  const region = healthRegion({ endpoints: () => endpoints })
  const health = region.isolate()
  expect(await region.clock.run(health.endpointOf('a'))).toBeUndefined()
  expect(health.view(A).state).toBe('draining')
  expect(health.enter(A)).toBeUndefined()
  const who = { tenantId: 't', deadlineMs: region.clock.nowMs() + 9_000 }
  const waiting = health.wait([deploymentOf({ id: 'a', queue: { length: 9, waitMs: 9_000 } })], who, never)
  await expect(region.clock.run(waiting)).rejects.toMatchObject({ code: 'upstream_overloaded' })
  endpoints = { a: { url: 'https://one.example', draining: false } }
  await region.clock.run(health.report())
  expect(health.view(A).state).toBe('well')
  expect(health.endpointOf('a')).toBe('https://one.example')
  call(health, A)
  endpoints = { a: { url: 'https://one.example', draining: true } }
  await region.clock.advance(1_500)
  expect(health.view(A).state).toBe('draining')
  expect(health.enter(A)).toBeUndefined()
})

test('a caller who waits and hangs up takes no place', async () => {
  const region = healthRegion()
  const one = deploymentOf({ id: 'one', inFlightMax: 1, queue: { length: 4, waitMs: 10_000 } })
  const health = region.isolate()
  const running = health.enter(one)
  const leaving = new AbortController()
  const gone = health.wait([one], { tenantId: 't', deadlineMs: region.clock.nowMs() + 9_000 }, leaving.signal)
  gone.catch(() => undefined)
  await region.clock.advance(100)
  expect(region.object().queueLength()).toBe(1)
  leaving.abort()
  await region.clock.advance(100)
  expect(region.object().queueLength()).toBe(0)
  await expect(gone).rejects.toBeInstanceOf(AppError)
  running?.end(undefined)
  await region.clock.advance(1_500)
  expect(health.view(one)).toMatchObject({ state: 'well', inFlight: 0 })
})

test('nobody waits for what is past its deadline', async () => {
  const region = healthRegion()
  await expect(
    region.isolate().wait([A], { tenantId: 't', deadlineMs: region.clock.nowMs() }, never),
  ).rejects.toMatchObject({
    code: 'upstream_overloaded',
    retryAfterSeconds: 1,
  })
})
