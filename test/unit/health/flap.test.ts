/**
 * An endpoint that is down for 60 s and comes back, under 20 requests a second from four isolates, in virtual time: what callers see,
 * how often the endpoint is bothered, and when traffic is back.
 */
import { expect, test } from 'vitest'
import type { Attempt, ModelEvent, Upstream } from '../../../src/chat/ports.ts'
import { AppError, type ErrorCode } from '../../../src/errors.ts'
import { attemptDeployments } from '../../../src/routing/attempt.ts'
import { choose } from '../../../src/routing/choose/choose.ts'
import { healthRegion, type Region } from '../../support/health-region.ts'
import { deploymentOf, factsOf, routeOf } from '../../support/routes.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const PER_SECOND = 20
const UP_AGAIN_WITHIN_MS = 15_000
/** Those that ship. */
const TIMEOUTS = {
  connect: 3_000,
  firstToken: 10_000,
  firstTokenWhileWaiting: 60_000,
  betweenTokens: 10_000,
  total: 300_000,
}
const queue = { length: 100, waitMs: 10_000 }

/** How it is down: after how long, before or after its first event, and with what. */
type Trouble = { afterMs: number; hasBegun: boolean; code: ErrorCode }

type Call = { atMs: number; deploymentId: string; failed: boolean }

/** An endpoint in virtual time. */
function upstreamOf(region: Region, id: string, trouble: () => Trouble | undefined, calls: Call[]): Upstream {
  const { nowMs, sleep } = region.clock
  const event = (content: string, finish: 'stop' | null): ModelEvent => ({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm-1',
    choices: [{ index: 0, delta: { content }, finish_reason: finish }],
  })
  return {
    async open() {
      const now = trouble()
      calls.push({ atMs: nowMs(), deploymentId: id, failed: now !== undefined })
      const fail = () => new AppError(now?.code ?? 'internal_error', 'down')
      await sleep(now && !now.hasBegun ? now.afterMs : 50)
      if (now && !now.hasBegun) throw fail()
      async function* events(): AsyncGenerator<readonly ModelEvent[]> {
        yield [event('Hello', null)]
        await sleep(now?.afterMs ?? 200)
        if (now) throw fail()
        yield [event(' world', 'stop')]
      }
      return events()
    },
  }
}

async function flap(trouble: Trouble, { hasCheck = false } = {}) {
  let isDown = false
  const check = hasCheck ? { url: 'https://flaps.example/health', intervalMs: 10_000 } : undefined
  const region = healthRegion({ checkOf: (id) => (id === 'flaps' ? check : undefined) })
  const isolates = Array.from({ length: 4 }, () => region.isolate())
  const calls: Call[] = []
  const outcomes: Promise<string>[] = []
  const random = seededRandom(3).next
  const { nowMs: now, sleep } = region.clock
  const route = routeOf(
    ['flaps', 'stays'].map((id) =>
      deploymentOf({
        id,
        queue,
        timeouts: TIMEOUTS,
        upstream: upstreamOf(region, id, () => (isDown && id === 'flaps' ? trouble : undefined), calls),
      }),
    ),
  )
  const loops = isolates.map((health) =>
    attemptDeployments({ choose: choose(random), health, now, random, sleep: (ms) => sleep(ms) }),
  )
  async function ask(loop: Attempt): Promise<string> {
    try {
      const body = { model: 'm', messages: [{ role: 'user' as const, content: 'Hi' }] }
      const call = {
        request: { kind: 'chat' as const, body },
        seed: 1,
        drawnSeed: false,
        requestId: 'r',
        facts: factsOf(),
      }
      const { events } = await loop(route, call, new AbortController().signal)
      let text = ''
      for await (const batch of events) {
        for (const event of batch)
          if ('choices' in event)
            for (const choice of event.choices) text += ('delta' in choice && choice.delta.content) || ''
      }
      return text
    } catch (thrown) {
      return thrown instanceof AppError ? thrown.code : String(thrown)
    }
  }
  const pass = async (seconds: number) => {
    for (let i = 0; i < seconds * PER_SECOND; i++) {
      const loop = loops[i % loops.length]
      if (!loop) throw new Error('no isolate')
      outcomes.push(ask(loop))
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
    errors: served.filter((text) => !text.startsWith('Hello')).length,
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
