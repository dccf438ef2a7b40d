/** Endpoints are asked whether they are well: when, what counts as yes, and what follows. */
import { expect, test } from 'vitest'
import { activeCheck } from '../../../src/health/active-check.ts'
import { ASKED_KEPT_MS } from '../../../src/health/region-health.ts'
import { call, healthRegion } from '../../support/health-region.ts'
import { deploymentOf } from '../../support/routes.ts'

const A = deploymentOf({ id: 'a' })
const CHECK = { url: 'https://a.example/health', intervalMs: 10_000 }
const checkedRegion = () => healthRegion({ checkOf: () => CHECK })
const outcome = (ok: boolean, atMs: number) => ({ ok, atMs, ms: 1, code: ok ? 'ok' : 'unreachable' })

const answering = (answer: () => Response | Promise<Response>) =>
  activeCheck(
    CHECK.url,
    async () => answer(),
    () => 0,
  )
const saying = (status: string) => Response.json({ status }, { status: 503, headers: { 'content-length': '30' } })

test.each<[string, () => Response | Promise<Response>, boolean, string]>([
  ['2xx is well', () => new Response('ok'), true, 'ok'],
  ['5xx is not', () => new Response('', { status: 500 }), false, 'status_500'],
  ['where it would lead is not looked at', () => new Response('', { status: 302 }), false, 'status_302'],
  ['a full queue is not broken', () => saying('queue_full'), true, 'queue_full'],
  ['nor is one that drains', () => saying('draining'), true, 'draining'],
  ['one that loads is not ready', () => saying('loading'), false, 'status_503'],
  ['a refused connection', () => Promise.reject(new Error('refused')), false, 'unreachable'],
  ['no answer in time', () => Promise.reject(new DOMException('late', 'TimeoutError')), false, 'timeout'],
])('%s', async (_, answer, ok, code) => {
  expect(await answering(answer)).toMatchObject({ ok, code })
})

test('each is asked at its interval, every two seconds while it is open, and not at all when nobody calls it', async () => {
  const region = checkedRegion()
  const health = region.isolate()
  call(health, A)
  await region.clock.advance(100)
  const { nowMs } = region.clock
  const object = region.object()
  const startMs = nowMs()
  expect(object.dueChecks(startMs)).toEqual([{ id: 'a', url: CHECK.url }])
  expect(object.dueChecks(startMs)).toEqual([])
  expect(object.nextCheckAtMs(startMs)).toBe(startMs + 10_000)
  for (let i = 0; i < 3; i++) call(health, A, { code: 'upstream_unavailable' })
  await region.clock.advance(1_500)
  expect(object.nextCheckAtMs(nowMs())).toBe(startMs + 2_000)
  await region.clock.advance(ASKED_KEPT_MS + 60_000)
  object.dueChecks(nowMs())
  expect(object.nextCheckAtMs(nowMs())).toBeUndefined()
})

test('two checks in a row that fail open it, unless calls are answered meanwhile', async () => {
  const region = checkedRegion()
  const health = region.isolate()
  call(health, A)
  await region.clock.advance(2_000)
  const object = region.object()
  const fail = () => object.checked('a', outcome(false, region.clock.nowMs()), region.clock.nowMs())
  fail()
  call(health, A)
  await region.clock.advance(1_500)
  object.checked('a', outcome(false, region.clock.nowMs()), region.clock.nowMs() - 3_000)
  expect(object.deployments().get('a')?.breaker.opening()).toBeUndefined()
  await region.clock.advance(2_000)
  fail()
  expect(object.deployments().get('a')?.breaker.opening()).toMatchObject({ code: 'unreachable' })
  call(health, deploymentOf({ id: 'b' }))
  await region.clock.advance(1_100)
  expect(health.view(A).state).toBe('open')
})

test('while its check fails no caller’s call is spent on finding out; when it is well again the next one tries', async () => {
  const region = checkedRegion()
  const health = region.isolate()
  call(health, A)
  await region.clock.advance(1_100)
  for (let i = 0; i < 3; i++) call(health, A, { code: 'upstream_unavailable' })
  const tried = async (ms: number, ok: boolean) => {
    for (let passed = 0; passed < ms; passed += 100) {
      const now = region.clock.nowMs()
      for (const { id } of region.object().dueChecks(now)) region.object().checked(id, outcome(ok, now), now)
      health.view(A)
      const entered = health.enter(A)
      if (entered) {
        entered.firstEvent()
        entered.end(undefined)
        return passed
      }
      await region.clock.advance(100)
    }
    return undefined
  }
  expect(await tried(30_000, false)).toBeUndefined()
  expect(await tried(15_000, true)).toBeLessThanOrEqual(5_000)
  expect(health.view(A).state).toBe('well')
})

test('one that is well again is tried at once, however long it was to be left alone', async () => {
  const region = checkedRegion()
  call(region.isolate(), A)
  await region.clock.advance(100)
  const object = region.object()
  const now = region.clock.nowMs()
  const gate = object.deployments().get('a')?.breaker
  gate?.open(now, 'unreachable', 60_000)
  object.checked('a', outcome(false, now + 1_000), now + 1_000)
  expect(gate?.phase(now + 2_000)).toBe('open')
  object.checked('a', outcome(true, now + 2_000), now + 2_000)
  expect(gate?.phase(now + 2_000)).toBe('due')
})
