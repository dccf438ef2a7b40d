/** When a deployment is called no more, for how long, and how it comes back. */
import { expect, test } from 'vitest'
import { breaker, FAILURES_IN_ROW } from '../../../src/health/breaker.ts'

const FAILED = { ok: 0, failed: 1 }
const WELL = { ok: 1, failed: 0 }

test('three failures in a row open it, and no fewer', () => {
  const gate = breaker(() => 0.5)
  expect([gate.count(0, FAILED), gate.count(1, FAILED)]).toEqual([false, false])
  gate.count(2, WELL)
  expect([gate.count(3, FAILED), gate.count(4, FAILED), gate.count(5, FAILED)]).toEqual([false, false, true])
  expect(gate.phase(6)).toBe('open')
})

test('half of at least ten calls in ten seconds open it, however many succeed between', () => {
  const gate = breaker(() => 0.5)
  const outcomes = Array.from({ length: 5 }, (_, i) => {
    gate.count(i * 1_000, WELL)
    return gate.count(i * 1_000 + 500, FAILED)
  })
  expect(outcomes).toEqual([false, false, false, false, true])
})

test('failures of long ago are no rate', () => {
  const gate = breaker(() => 0.5)
  for (let i = 0; i < 4; i++) {
    gate.count(i, FAILED)
    gate.count(i, WELL)
  }
  gate.count(20_000, WELL)
  expect(gate.count(20_001, FAILED)).toBe(false)
})

test('it opens for longer each time, at most ten seconds whatever the jitter', () => {
  for (const chance of [0, 0.999]) {
    const gate = breaker(() => chance)
    for (let i = 0; i < FAILURES_IN_ROW; i++) gate.count(0, FAILED)
    const lengths = [1, 2, 3, 4, 5, 6].map(() => {
      const { sinceMs, untilMs } = gate.opening() ?? { sinceMs: 0, untilMs: 0 }
      gate.open(untilMs, 'upstream_timeout')
      return untilMs - sinceMs
    })
    expect(lengths.every((ms, i) => i === 0 || ms >= (lengths[i - 1] ?? 0))).toBe(true)
    expect(lengths[1]).toBeGreaterThan((lengths[0] ?? 0) * 1.9)
    expect(Math.max(...lengths)).toBeLessThanOrEqual(10_000)
  }
})

test('when its time is over one call may try, and another when that says nothing for three seconds', () => {
  const gate = breaker(() => 0.5)
  gate.open(0, 'upstream_unavailable')
  expect([gate.phase(999), gate.phase(1_000)]).toEqual(['open', 'due'])
  gate.beginTry(1_000)
  expect([gate.phase(1_001), gate.phase(3_999), gate.phase(4_000)]).toEqual(['open', 'open', 'due'])
})

test('after it closed one failure opens it again, until a call has ended well', () => {
  const gate = breaker(() => 0.5)
  gate.open(0, 'upstream_unavailable')
  gate.close()
  expect(gate.count(1_001, FAILED)).toBe(true)
  expect(gate.opening()?.times).toBe(2)
  gate.close()
  gate.count(4_000, WELL)
  expect(gate.count(4_001, FAILED)).toBe(false)
})

test('what fails while it is open opens it for no longer', () => {
  const gate = breaker(() => 0.5)
  gate.open(0, 'upstream_unavailable')
  const before = gate.opening()
  expect(gate.count(500, { ok: 0, failed: 20 })).toBe(false)
  expect(gate.opening()).toEqual(before)
})
