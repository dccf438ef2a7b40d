/** The loop over deployments: whom it asks, when it asks again, when it stops, and what its caller hears. */
import { describe, expect, test } from 'vitest'
import type { ModelEvent } from '../../../src/chat/ports.ts'
import { AppError, type ErrorCode } from '../../../src/errors.ts'
import { CALLS_MAX, CALLS_MAX_PER_DEPLOYMENT } from '../../../src/routing/call-ledger.ts'
import { type Script, scriptedWorld, TIMEOUTS } from './scripted-deployments.ts'

const DONE: ModelEvent = {
  id: 'c',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm-1',
  choices: [{ index: 0, delta: { content: 'Hi' }, finish_reason: 'stop' }],
}
const ANSWERS: Script = { says: [DONE] }
const fails = (code: ErrorCode, retryAfterSeconds?: number): Script => ({
  fails: new AppError(code, 'It failed.', retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
})

describe('another deployment', () => {
  test.each<ErrorCode>([
    'upstream_unavailable',
    'upstream_misconfigured',
    'upstream_interrupted',
    'upstream_rate_limited',
    'upstream_overloaded',
    'upstream_timeout',
  ])('is asked at once after %s', async (code) => {
    const world = scriptedWorld()
    const list = [world.deployment('a', [fails(code, 30)]), world.deployment('b', [ANSWERS], { model: 'm-2' })]
    expect((await world.ask(list)).deployment).toEqual({ id: 'b', model: 'm-2' })
    expect(world.calls.map(({ id, call }) => [id, call.model])).toEqual([
      ['a', 'm-1'],
      ['b', 'm-2'],
    ])
    expect(world.slept).toEqual([])
  })

  test.each<ErrorCode>(['upstream_rejected', 'body_too_large', 'content_blocked', 'internal_error', 'caller_gone'])(
    'is not asked after %s: it would say the same',
    async (code) => {
      const world = scriptedWorld()
      const list = [world.deployment('a', [fails(code)]), world.deployment('b', [ANSWERS])]
      await expect(world.ask(list)).rejects.toMatchObject({ code })
      expect(world.calls).toHaveLength(1)
    },
  )

  test('comes before another try of the first', async () => {
    const world = scriptedWorld({ random: () => 0 })
    const a = world.deployment('a', [fails('upstream_unavailable'), ANSWERS])
    const b = world.deployment('b', [fails('upstream_unavailable')])
    await world.ask([a, b])
    expect(world.calls.map(({ id }) => id)).toEqual(['a', 'b', 'a'])
  })
})

describe('a prompt that is too long', () => {
  const tooLong = fails('context_length_exceeded')

  test('goes to a larger deployment, past those that are not', async () => {
    const world = scriptedWorld()
    const list = [
      world.deployment('a', [tooLong], { contextTokens: 4_096 }),
      world.deployment('same', [], { contextTokens: 4_096 }),
      world.deployment('large', [ANSWERS], { contextTokens: 32_768 }),
    ]
    expect((await world.ask(list)).deployment.id).toBe('large')
  })

  test('is told to the caller where none is larger, whatever else failed', async () => {
    const world = scriptedWorld()
    const list = [
      world.deployment('a', [tooLong], { contextTokens: 4_096 }),
      world.deployment('b', [fails('upstream_misconfigured')], { contextTokens: 8_192 }),
    ]
    await expect(world.ask(list)).rejects.toMatchObject({ code: 'context_length_exceeded' })
    expect(world.calls).toHaveLength(2)
  })

  test('does not go to a replica of which nobody knows how much it takes', async () => {
    const world = scriptedWorld()
    await expect(world.ask([world.deployment('a', [tooLong]), world.deployment('b', [])])).rejects.toMatchObject({
      code: 'context_length_exceeded',
    })
  })
})

describe('the same deployment', () => {
  test.each<ErrorCode>([
    'upstream_unavailable',
    'upstream_interrupted',
    'upstream_rate_limited',
    'upstream_overloaded',
  ])('is asked again after %s, each time after a longer pause', async (code) => {
    const world = scriptedWorld({ random: () => 1 })
    const a = world.deployment('a', [fails(code), fails(code), fails(code), ANSWERS])
    await world.ask([a])
    expect(world.slept).toEqual([250, 500, 1_000])
  })

  test('is asked after a pause of any length up to that', async () => {
    const world = scriptedWorld({ random: () => 0.1 })
    await world.ask([world.deployment('a', [fails('upstream_unavailable'), ANSWERS])])
    expect(world.slept).toEqual([25])
  })

  test.each<ErrorCode>(['upstream_timeout', 'upstream_misconfigured'])('is not asked again after %s', async (code) => {
    const world = scriptedWorld()
    await expect(world.ask([world.deployment('a', [fails(code), ANSWERS])])).rejects.toMatchObject({ code })
    expect(world.calls).toHaveLength(1)
  })

  test('is asked a bounded number of times', async () => {
    const world = scriptedWorld()
    const list = [world.deployment('a', [fails('upstream_overloaded')])]
    await expect(world.ask(list)).rejects.toMatchObject({ code: 'upstream_overloaded' })
    expect(world.calls).toHaveLength(CALLS_MAX_PER_DEPLOYMENT)
  })
})

test('all calls of one request are bounded', async () => {
  const world = scriptedWorld()
  const list = ['a', 'b', 'c'].map((id) => world.deployment(id, [fails('upstream_unavailable')]))
  await expect(world.ask(list)).rejects.toMatchObject({ code: 'upstream_unavailable' })
  expect(world.calls).toHaveLength(CALLS_MAX)
  expect(world.calls.map(({ id }) => id).join('')).toBe('abcabc')
})

describe('Retry-After', () => {
  test('is waited for, and no less', async () => {
    const world = scriptedWorld({ random: () => 0 })
    await world.ask([world.deployment('a', [fails('upstream_rate_limited', 5), ANSWERS])])
    const [first, second] = world.calls
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBe(5_000)
  })

  test('beyond the caller’s patience is told at once, the shortest of all', async () => {
    const world = scriptedWorld()
    const list = [
      world.deployment('a', [fails('upstream_overloaded', 600)]),
      world.deployment('b', [fails('upstream_rate_limited', 120)]),
    ]
    await expect(world.ask(list)).rejects.toMatchObject({ code: 'upstream_rate_limited', retryAfterSeconds: 120 })
    expect(world.calls).toHaveLength(2)
    expect(world.slept).toEqual([])
  })

  test('of one does not hide that another is broken', async () => {
    const world = scriptedWorld()
    const list = [
      world.deployment('a', [fails('upstream_misconfigured')]),
      world.deployment('b', [fails('upstream_rate_limited', 120)]),
    ]
    const failure = world.ask(list)
    await expect(failure).rejects.toMatchObject({ code: 'upstream_misconfigured', retryAfterSeconds: undefined })
  })
})

describe('time', () => {
  test('is one total for all calls, from the first of them', async () => {
    const world = scriptedWorld()
    const slow = { takesMs: 200_000, ...fails('upstream_timeout') }
    const list = [world.deployment('a', [slow]), world.deployment('b', [slow]), world.deployment('c', [ANSWERS])]
    await expect(world.ask(list)).rejects.toMatchObject({ code: 'upstream_timeout' })
    expect(world.calls.map(({ call }) => call.timeouts.total)).toEqual([TIMEOUTS.total, 100_000])
  })

  test('that is past before a pause ends is not spent on it', async () => {
    const world = scriptedWorld({ random: () => 0 })
    const timeouts = { ...TIMEOUTS, total: 1_000 }
    const list = [world.deployment('a', [fails('upstream_overloaded', 5), ANSWERS], { timeouts })]
    await expect(world.ask(list)).rejects.toMatchObject({ code: 'upstream_overloaded', retryAfterSeconds: 5 })
    expect(world.slept).toEqual([])
  })
})

describe('health', () => {
  test('has every place back, and hears of every call how it ended', async () => {
    const world = scriptedWorld()
    const list = [world.deployment('a', [fails('upstream_unavailable')]), world.deployment('b', [ANSWERS])]
    const { events } = await world.ask(list)
    expect(world.placesOf('b')).toMatchObject({ open: 1, firsts: 1, ends: [] })
    for await (const _ of events);
    expect(world.placesOf('a')).toMatchObject({ open: 0, firsts: 0, ends: ['upstream_unavailable'] })
    expect(world.placesOf('b')).toMatchObject({ open: 0, firsts: 1, ends: [undefined] })
  })

  test('that gives no place is not argued with: the next is asked', async () => {
    const world = scriptedWorld()
    const list = [world.deployment('a', []), world.deployment('b', [ANSWERS])]
    world.closed.add('a')
    expect((await world.ask(list)).deployment.id).toBe('b')
  })

  test('that gives nobody a place decides whether to wait, and says how long the caller should', async () => {
    const world = scriptedWorld()
    const list = [world.deployment('a', []), world.deployment('b', [])]
    world.closed.add('a').add('b')
    await expect(world.ask(list)).rejects.toMatchObject({ code: 'upstream_overloaded', retryAfterSeconds: 7 })
  })

  test('may give a place after a wait', async () => {
    const world = scriptedWorld()
    const a = world.deployment('a', [ANSWERS])
    world.closed.add('a')
    world.health.wait = async (deployments, { tenantId, deadlineMs }) => {
      expect(deployments).toEqual([a])
      expect({ tenantId, waitMs: deadlineMs - world.now() }).toEqual({ tenantId: 'tnt_a', waitMs: 60_000 })
      return { deployment: a, call: { firstEvent() {}, end() {} } }
    }
    expect((await world.ask([a])).deployment.id).toBe('a')
  })

  test('has its place back when the caller hangs up without reading on', async () => {
    const world = scriptedWorld()
    const hangUp = new AbortController()
    const { events, attempts } = await world.ask([world.deployment('a', [ANSWERS])], {}, {}, hangUp.signal)
    hangUp.abort()
    expect(world.placesOf('a')).toMatchObject({ open: 0, ends: ['caller_gone'] })
    expect(attempts?.[0]).toMatchObject({ code: 'caller_gone' })
    await expect(events[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'caller_gone' })
  })

  test('has its place back, and the model is stopped, when the reader has enough', async () => {
    const world = scriptedWorld()
    const { events } = await world.ask([world.deployment('a', [{ says: [DONE, DONE] }])])
    for await (const _ of events) break
    expect(world.placesOf('a')).toMatchObject({ open: 0, ends: ['caller_gone'] })
    expect(world.returned()).toBe(1)
  })
})

test('every call is recorded, also where nobody answered', async () => {
  const world = scriptedWorld()
  const list = [
    world.deployment('a', [{ takesMs: 30, ...fails('upstream_unavailable') }]),
    world.deployment('b', [{ takesMs: 20, ...ANSWERS }], { model: 'm-2' }),
  ]
  const { events, attempts } = await world.ask(list)
  expect(attempts).toEqual([
    { deploymentId: 'a', model: 'm-1', kind: 'first', startedAtMs: 1_000_000, ms: 30, code: 'upstream_unavailable' },
    { deploymentId: 'b', model: 'm-2', kind: 'retry', startedAtMs: 1_000_030, firstTokenMs: 20 },
  ])
  for await (const _ of events);
  expect(attempts?.[1]).toMatchObject({ ms: 20 })
  expect(world.ended).toEqual(['a upstream_unavailable', 'b ok'])

  const lost = scriptedWorld()
  await expect(lost.ask([lost.deployment('a', [fails('upstream_timeout')])])).rejects.toThrow()
  expect(lost.ended).toEqual(['a upstream_timeout'])
})

test('without a deployment there is an error, not an answer', async () => {
  await expect(scriptedWorld().ask([])).rejects.toMatchObject({ code: 'upstream_unavailable' })
})

test('a caller who hangs up during a pause is not asked for any more', async () => {
  const hangUp = new AbortController()
  const world = scriptedWorld({
    random: () => {
      hangUp.abort()
      return 1
    },
  })
  const list = [world.deployment('a', [fails('upstream_unavailable')])]
  await expect(world.ask(list, {}, {}, hangUp.signal)).rejects.toMatchObject({ code: 'caller_gone' })
  expect(world.calls).toHaveLength(1)
})
