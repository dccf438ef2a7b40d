/**
 * An endpoint that is down for 60 s and comes back, under 20 requests a second from four isolates, in virtual time: what callers see,
 * how often the endpoint is bothered, and when traffic is back.
 */
import { expect, test } from 'vitest'
import type { CallInFlight, Deployment } from '../../../src/chat/ports.ts'
import type { ErrorCode } from '../../../src/errors.ts'
import type { IsolateHealth } from '../../../src/health/isolate-health.ts'
import { healthRegion, type Region } from '../../support/health-region.ts'
import { deploymentOf } from '../../support/routes.ts'

const PER_SECOND = 20
const UP_AGAIN_WITHIN_MS = 15_000
const queue = { length: 100, waitMs: 10_000 }
const FLAPS = deploymentOf({ id: 'flaps', queue })
const STAYS = deploymentOf({ id: 'stays', queue })

/** How it is down: after how long, before or after its first event, and with what. */
type Trouble = { afterMs: number; hasBegun: boolean; code: ErrorCode }

type Call = { atMs: number; deploymentId: string; failed: boolean }

/** The caller's side, as the loop over deployments: the better of what is well, once each, then the queue. */
async function ask(
  region: Region,
  health: IsolateHealth,
  deployments: readonly Deployment[],
  answer: (deployment: Deployment) => Trouble | undefined,
  calls: Call[],
): Promise<boolean> {
  const { nowMs, sleep } = region.clock
  const tried = new Set<string>()
  const attempt = async (deployment: Deployment, entered: CallInFlight) => {
    tried.add(deployment.id)
    const trouble = answer(deployment)
    calls.push({ atMs: nowMs(), deploymentId: deployment.id, failed: trouble !== undefined })
    await sleep(trouble?.afterMs ?? 50)
    if (!trouble || trouble.hasBegun) entered.firstEvent()
    if (!trouble) await sleep(200)
    entered.end(trouble && { code: trouble.code })
    return trouble === undefined
  }
  const order = () =>
    deployments
      .filter(({ id }) => !tried.has(id))
      .map((deployment) => ({ deployment, view: health.view(deployment) }))
      .filter(({ view }) => view.state === 'well' || view.state === 'probing')
      // As many to each; one that may be tried is tried.
      .sort(
        (a, b) =>
          Number(b.view.state === 'probing') - Number(a.view.state === 'probing') || a.view.inFlight - b.view.inFlight,
      )
  for (let next = order()[0]; next; next = order()[0]) {
    const entered = health.enter(next.deployment)
    if (!entered) break
    if (await attempt(next.deployment, entered)) return true
  }
  const left = deployments.filter(({ id }) => !tried.has(id))
  try {
    const who = { tenantId: 'tnt_a', deadlineMs: nowMs() + 60_000 }
    const { deployment, call } = await health.wait(
      left.length > 0 ? left : deployments,
      who,
      new AbortController().signal,
    )
    return await attempt(deployment, call)
  } catch {
    return false
  }
}

async function flap(trouble: Trouble, { hasCheck = false } = {}) {
  let isDown = false
  const check = hasCheck ? { url: 'https://flaps.example/health', intervalMs: 10_000 } : undefined
  const region = healthRegion({ checkOf: (id) => (id === 'flaps' ? check : undefined) })
  const isolates = Array.from({ length: 4 }, () => region.isolate())
  const calls: Call[] = []
  const outcomes: Promise<boolean>[] = []
  const pass = async (seconds: number) => {
    for (let i = 0; i < seconds * PER_SECOND; i++) {
      const health = isolates[i % isolates.length]
      if (!health) throw new Error('no isolate')
      const answer = ({ id }: Deployment) => (isDown && id === 'flaps' ? trouble : undefined)
      outcomes.push(ask(region, health, [FLAPS, STAYS], answer, calls))
      const now = region.clock.nowMs()
      // As the object's alarm does.
      for (const { id } of region.object().dueChecks(now)) {
        region.object().checked(id, { ok: !isDown, atMs: now, ms: 1, code: isDown ? 'unreachable' : 'ok' }, now)
      }
      await region.clock.advance(1_000 / PER_SECOND)
    }
  }
  await pass(20)
  isDown = true
  const downAtMs = region.clock.nowMs()
  await pass(60)
  isDown = false
  const upAtMs = region.clock.nowMs()
  await pass(30)
  const served = await region.clock.run(Promise.all(outcomes))
  const toFlaps = calls.filter(({ deploymentId }) => deploymentId === 'flaps')
  /** From the first second in which it has a third of the calls and more. */
  const backAfterMs = Array.from({ length: 30 }, (_, second) => second).find((second) => {
    const from = upAtMs + second * 1_000
    return toFlaps.filter(({ atMs, failed }) => !failed && atMs >= from && atMs < from + 1_000).length >= PER_SECOND / 3
  })
  return {
    errors: served.filter((isServed) => !isServed).length,
    requests: served.length,
    /** Milliseconds after it went down. */
    failedAtMs: toFlaps.filter(({ failed }) => failed).map(({ atMs }) => atMs - downAtMs),
    backAfterMs: (backAfterMs ?? Number.POSITIVE_INFINITY) * 1_000,
  }
}

test.each<[string, Trouble]>([
  ['refuses', { afterMs: 1, hasBegun: false, code: 'upstream_unavailable' }],
  ['says that it is busy', { afterMs: 1, hasBegun: false, code: 'upstream_overloaded' }],
  ['takes no connection', { afterMs: 3_000, hasBegun: false, code: 'upstream_timeout' }],
  ['says nothing', { afterMs: 10_000, hasBegun: false, code: 'upstream_timeout' }],
  ['is cut after the first event', { afterMs: 100, hasBegun: true, code: 'upstream_interrupted' }],
])(
  'one that %s for 60 s costs no caller an error, is hardly asked, and has its traffic within 15 s of recovery',
  async (_, trouble) => {
    const { errors, requests, failedAtMs, backAfterMs } = await flap(trouble)
    expect(requests).toBe(110 * PER_SECOND)
    expect(errors).toBe(0)
    // Of 1,200 requests: three in a row of each isolate and what was under way, then a try each time that an opening is over.
    expect(failedAtMs.length).toBeLessThan(40)
    expect(backAfterMs).toBeLessThanOrEqual(UP_AGAIN_WITHIN_MS)
  },
  60_000,
)

test('with checks not even those tries are made: nobody’s call finds out', async () => {
  const { errors, failedAtMs, backAfterMs } = await flap(
    { afterMs: 1, hasBegun: false, code: 'upstream_unavailable' },
    { hasCheck: true },
  )
  expect(errors).toBe(0)
  expect(Math.max(...failedAtMs)).toBeLessThan(5_000)
  expect(backAfterMs).toBeLessThanOrEqual(UP_AGAIN_WITHIN_MS)
}, 60_000)
