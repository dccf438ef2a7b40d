/** The loop over deployments: whom it asks, and when it stops. */
import { describe, expect, test } from 'vitest'
import type { AttemptCall, Deployment, ModelEventStream, Upstream, UpstreamCall } from '../../../src/chat/ports.ts'
import { AppError, type ErrorCode } from '../../../src/errors.ts'
import { ATTEMPTS_MAX, attemptInOrder } from '../../../src/routing/attempt.ts'
import { deploymentOf, factsOf, routeOf } from '../../support/routes.ts'

describe('attempts', () => {
  const TIMEOUTS = { connect: 1, firstToken: 2, firstTokenWhileWaiting: 3, betweenTokens: 4, total: 1_000 }
  const CALL: AttemptCall = {
    request: { kind: 'chat', body: { model: 'm', messages: [{ role: 'user', content: 'Hi' }] } },
    seed: 1,
    drawnSeed: false,
    requestId: 'req_1',
    facts: factsOf(),
  }
  const NO_EVENTS: ModelEventStream = {
    [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
  }

  function deployments(...outcomes: (ErrorCode | 'answers')[]): { list: Deployment[]; calls: UpstreamCall[] } {
    const calls: UpstreamCall[] = []
    const list = outcomes.map((outcome, index): Deployment => {
      const upstream: Upstream = {
        async open(call) {
          calls.push(call)
          if (outcome === 'answers') return NO_EVENTS
          throw new AppError(outcome, `from d${index}`)
        },
      }
      return deploymentOf({ id: `d${index}`, model: `model-${index}`, timeouts: TIMEOUTS, upstream })
    })
    return { list, calls }
  }
  const attempt = (list: Deployment[], now?: () => number) =>
    attemptInOrder(now)(routeOf(list), CALL, new AbortController().signal)

  test.each<ErrorCode>([
    'upstream_unavailable',
    'upstream_misconfigured',
    'upstream_interrupted',
    'upstream_rate_limited',
    'upstream_overloaded',
    'upstream_timeout',
  ])('go on to the next deployment after %s', async (code) => {
    const { list, calls } = deployments(code, 'answers')
    expect((await attempt(list)).deployment.id).toBe('d1')
    expect(calls.map((call) => call.model)).toEqual(['model-0', 'model-1'])
  })

  test.each<ErrorCode>(['upstream_rejected', 'context_length_exceeded', 'caller_gone', 'internal_error'])(
    'end at %s: another deployment would say the same',
    async (code) => {
      const { list, calls } = deployments(code, 'answers')
      await expect(attempt(list)).rejects.toMatchObject({ code })
      expect(calls).toHaveLength(1)
    },
  )

  test('are bounded, and fail with the last reason', async () => {
    const { list, calls } = deployments(...Array<ErrorCode>(ATTEMPTS_MAX + 3).fill('upstream_overloaded'))
    await expect(attempt(list)).rejects.toMatchObject({
      code: 'upstream_overloaded',
      message: `from d${ATTEMPTS_MAX - 1}`,
    })
    expect(calls).toHaveLength(ATTEMPTS_MAX)
  })

  test('share one total time-out', async () => {
    let now = 0
    const { list, calls } = deployments('upstream_timeout', 'upstream_timeout', 'answers')
    const clock = () => now
    for (const deployment of list) {
      const { open } = deployment.upstream
      deployment.upstream.open = (call, signal) => {
        now += 600
        return open(call, signal)
      }
    }
    await expect(attempt(list, clock)).rejects.toMatchObject({ code: 'upstream_timeout' })
    expect(calls.map((call) => call.timeouts.total)).toEqual([1_000, 400])
  })

  test('without a deployment are an error, not an answer', async () => {
    await expect(attempt([])).rejects.toMatchObject({ code: 'upstream_unavailable' })
  })
})
