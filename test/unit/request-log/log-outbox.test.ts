/** No row is forgotten before the object has it, and many go in one call. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { GATHER_MS, logOutbox } from '../../../src/request-log/log-outbox.ts'

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

type Call = { tenantId: string; rows: string; count: number }

/** Contexts of requests are the promises given to `waitUntil`. */
function world(append: (call: Call) => Promise<void>) {
  vi.useFakeTimers({ now: 1_000_000 })
  const calls: Call[] = []
  const contexts: Promise<unknown>[] = []
  const outbox = logOutbox({
    append(tenantId, rows, count) {
      calls.push({ tenantId, rows, count })
      return append({ tenantId, rows, count })
    },
    waitUntil: (promise) => contexts.push(promise),
    nowMs: () => Date.now(),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  })
  return { ...outbox, calls, contexts, pass: (ms: number) => vi.advanceTimersByTimeAsync(ms) }
}

describe('rows', () => {
  test('go at once when little is going on, else those of a tenth of a second in one call', async () => {
    const { add, calls, contexts, pass } = world(async () => {})
    add('a', '[1]')
    await pass(0)
    expect(calls).toEqual([{ tenantId: 'a', rows: '[1]', count: 1 }])
    for (let row = 2; row <= 50; row++) add('a', `[${row}]`)
    add('b', '[0]')
    await pass(GATHER_MS - 1)
    expect(calls.map(({ tenantId }) => tenantId)).toEqual(['a', 'b'])
    await pass(1)
    expect(calls[2]).toMatchObject({ tenantId: 'a', count: 49 })
    await Promise.all(contexts)
    expect(contexts).toHaveLength(3)
  })

  test('are told again, in their order, until the object has them', async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    let broken = true
    const { add, calls, contexts, pass } = world(async () => {
      if (broken) throw new Error('unreachable')
    })
    add('a', '[1]')
    await pass(500)
    add('a', '[2]')
    broken = false
    await pass(1_000)
    await Promise.all(contexts)
    expect(calls.map(({ rows }) => rows)).toEqual(['[1]', '[1],[2]'])
  })

  test('whose context gave up go with the next request', async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    let broken = true
    const { add, calls, contexts, pass } = world(async () => {
      if (broken) throw new Error('unreachable')
    })
    add('a', '[1]')
    await pass(60_000)
    await Promise.all(contexts)
    broken = false
    add('a', '[2]')
    await pass(0)
    expect(calls.at(-1)).toEqual({ tenantId: 'a', rows: '[1],[2]', count: 2 })
  })

  test('whose call never came back, for its context is gone, go with the next request, and each once', async () => {
    const { promise: late, resolve: answer } = Promise.withResolvers<void>()
    let first = true
    const { add, calls, pass } = world(() => {
      const answered = first ? late : Promise.resolve()
      first = false
      return answered
    })
    add('a', '[1]')
    await pass(5_000)
    add('a', '[2]')
    expect(calls).toHaveLength(1)
    await pass(5_000)
    add('a', '[3]')
    await pass(0)
    expect(calls.at(-1)?.rows).toBe('[1],[2],[3]')
    // It was not gone after all: what it told is not counted off twice.
    answer()
    add('a', '[4]')
    await pass(GATHER_MS)
    expect(calls.at(-1)?.rows).toBe('[4]')
  })

  test('beyond what an isolate can keep are lost, and the log says how many', async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    const error = vi.spyOn(console, 'error').mockImplementation(() => {})
    let broken = true
    const { add, calls, pass } = world(async () => {
      if (broken) throw new Error('unreachable')
    })
    for (let row = 0; row < 5_003; row++) add('a', `[${row}]`)
    broken = false
    await pass(60_000)
    expect(calls.slice(1).reduce((sum, { count }) => sum + count, 0)).toBe(5_000)
    expect(calls.every(({ count }) => count <= 500)).toBe(true)
    expect(error.mock.calls).toEqual([[expect.stringContaining('"rows":3')]])
  })
})
