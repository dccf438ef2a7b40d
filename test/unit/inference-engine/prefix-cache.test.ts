import { describe, expect, test } from 'vitest'
import { CHUNK_TOKENS_MIN } from '../../../functions/inference/engine/chunk-length.ts'
import type { StepReport } from '../../../functions/inference/engine/engine-messages.ts'
import { END_TOKEN } from './fake-decoder.ts'
import { expected, type FakeEngine, fakeEngine, numbers, promptOf } from './fake-engine.ts'

const computed = (steps: readonly StepReport[], kind: StepReport['kind'] = 'prefill') =>
  steps.reduce((sum, step) => sum + (step.kind === kind ? step.amount : 0), 0)
/** What happened from now on, each time it is asked. */
function since({ steps }: FakeEngine) {
  let seen = steps.length
  return (kind?: StepReport['kind']) => {
    const amount = computed(steps.slice(seen), kind)
    seen = steps.length
    return amount
  }
}
/** Until nothing is left to do, idle work included: an engine without a model never waits for anything but turns of the event loop. */
async function idle({ steps }: FakeEngine) {
  for (let seen = -1; seen < steps.length; ) {
    seen = steps.length
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('any requests with common beginnings, hang-ups and too small a store', () => {
  test.each(Array.from({ length: 24 }, (_, seed) => seed + 1))('are answered as alone, round %i', async (seed) => {
    const next = numbers(seed)
    // Too small for even one of them, or large enough for most.
    const blocks = 1 + next(seed % 2 === 0 ? 12 : 100)
    const it = fakeEngine({ slots: 1 + next(5), blocks, chunkTokens: CHUNK_TOKENS_MIN + next(40), context: 256 })
    const beginnings = Array.from({ length: 4 }, () => promptOf(next, 1 + next(100)))
    const waiting = Array.from({ length: 60 }, (_, id) => {
      const beginning = beginnings[next(beginnings.length)] ?? []
      const prompt = [...beginning.slice(0, 1 + next(beginning.length)), ...promptOf(next, next(40))]
      const maxTokens = 1 + next(30)
      const whole = expected(prompt, maxTokens)
      // What was answered may be the next one's beginning, as in a conversation.
      if (next(3) > 0) beginnings.push([...prompt, ...whole].slice(0, 150))
      const known = next(4) === 0 ? whole.slice(0, next(whole.length)).filter((token) => token !== END_TOKEN) : []
      return { id, prompt, maxTokens, answer: known, sameness: next(2) === 0, whole }
    })
    const requests = [...waiting]
    const cancelled = new Set<number>()
    const done = new Map<number, Promise<unknown>>()
    function goOn() {
      for (let count = next(3); count > 0; count--) {
        const request = waiting.shift()
        if (request === undefined) return
        const { whole, ...rest } = request
        done.set(rest.id, it.ask(rest))
      }
      if (next(8) > 0 || done.size === 0) return
      const id = next(done.size)
      if (it.answers.get(id)?.reason === null) cancelled.add(id)
      it.cancel(id)
    }
    it.onRun(goOn)
    while (waiting.length > 0) {
      goOn()
      await new Promise((resolve) => setImmediate(resolve))
    }
    it.onRun(() => {})
    const all = [...done].filter(([id]) => !cancelled.has(id)).map(([, answer]) => answer)
    await Promise.race([Promise.all(all), it.failed.then((cause) => Promise.reject(cause))])
    await idle(it)

    for (const { id, prompt, whole, answer, sameness } of requests) {
      const got = it.answers.get(id)?.tokens ?? []
      const rest = whole.slice(answer.length)
      expect(got, `request ${id}`).toEqual(cancelled.has(id) ? rest.slice(0, got.length) : rest)
      // The whole prompt was a prompt's, and nothing of the answer was.
      if (sameness) expect([...(it.exact.get(id) ?? [prompt.length])], `request ${id}`).toEqual([prompt.length])
      expect(it.cached.get(id) ?? 0).toBeLessThanOrEqual(Math.max(0, prompt.length - 2))
    }
    const { blocks: used, free } = it.store.usage()
    expect(used + free).toBeLessThanOrEqual(blocks)
    it.store.forget(null)
    expect(it.store.usage()).toEqual({ blocks: 0, free: used + free, bytes: 0 })
    expect([...it.cached.values()].some((tokens) => tokens > 0)).toBe(true)
  })
})

describe('tokens that are computed', () => {
  /** Of every turn but the first, of six conversations that take turns. */
  async function turns(sameness: boolean, pause: 'pause' | 'no pause') {
    const it = fakeEngine({ slots: 3, blocks: 256, context: 2_048 })
    const next = numbers(5)
    const work = since(it)
    const conversations = Array.from({ length: 6 }, () => promptOf(next, 40))
    const perTurn: number[] = []
    if (pause === 'no pause') void it.ask({ id: 99, prompt: [4, 5, 6], maxTokens: 2_000, sameness: false })
    for (let turn = 0; turn < 5; turn++) {
      for (const [index, prompt] of conversations.entries()) {
        const answer = await it.ask({ id: 10 * turn + index, prompt, maxTokens: 20, sameness })
        if (pause === 'pause') await idle(it)
        perTurn.push(work())
        conversations[index] = [...prompt, ...answer, ...promptOf(next, 15)]
      }
    }
    expect(it.answers.get(99)?.reason ?? null).toBe(null)
    return perTurn.slice(conversations.length)
  }

  test('are the new turn and the last token answered, with more conversations than slots', async () => {
    expect(new Set(await turns(false, 'pause'))).toEqual(new Set([16]))
  })

  test('are those of the last answer too where sameness is asked for and nothing was idle', async () => {
    expect(new Set(await turns(true, 'no pause'))).toEqual(new Set([35]))
  })

  test('are the new turn alone where there was time to read the answer again', async () => {
    expect(new Set(await turns(true, 'pause'))).toEqual(new Set([15]))
  })

  test('are those of one prompt and two of each other, when the same prompt comes from many at once', async () => {
    const it = fakeEngine({ blocks: 64 })
    const prompt = promptOf(numbers(9), 100)
    await Promise.all(
      Array.from({ length: 8 }, (_, id) => it.ask({ id, prompt, maxTokens: 3, sameness: id % 2 === 0 })),
    )
    expect(computed(it.steps)).toBe(100 + 7 * 2)
    expect([...it.cached.values()].sort((a, b) => a - b)).toEqual([0, ...new Array(7).fill(98)])
  })

  test('are all of them without a store, and nothing is read again', async () => {
    const it = fakeEngine({ blocks: 0 })
    const prompt = promptOf(numbers(9), 100)
    for (const id of [1, 2]) await it.ask({ id, prompt })
    await idle(it)
    expect(computed(it.steps)).toBe(200)
    expect(computed(it.steps, 'reread')).toBe(0)
  })
})

describe('in idle time', () => {
  test('an answer that asked for sameness is read again, once, and then nothing runs', async () => {
    const it = fakeEngine({ blocks: 64 })
    await it.ask({ id: 1, prompt: promptOf(numbers(2), 50), maxTokens: 30 })
    await idle(it)
    expect(computed(it.steps, 'reread')).toBe(30)
    const { length } = it.runs
    await idle(it)
    expect(it.runs.length).toBe(length)
  })

  test('whoever comes is served after the run at hand, and what is left is done later', async () => {
    const it = fakeEngine({ blocks: 64, chunkTokens: 8 })
    const first = promptOf(numbers(2), 50)
    const answer = await it.ask({ id: 1, prompt: first, maxTokens: 60 })
    const reread = Promise.withResolvers<void>()
    it.onStep(({ kind }) => kind === 'reread' && reread.resolve())
    await reread.promise
    const runs = it.runs.length
    const steps = it.steps.length
    const prompt = promptOf(numbers(4), 20)
    expect(await it.ask({ id: 2, prompt, maxTokens: 1, sameness: false })).toEqual(expected(prompt, 1))
    // Three chunks of the prompt behind at most the one that had begun.
    expect(it.runs.length - runs).toBeLessThanOrEqual(4)
    expect(computed(it.steps.slice(steps), 'reread')).toBeLessThanOrEqual(8)
    await idle(it)
    expect(computed(it.steps, 'reread')).toBe(60)
    const turn = [...first, ...answer, 5, 6, 7]
    expect(await it.ask({ id: 3, prompt: turn, maxTokens: 3 })).toEqual(expected(turn, 3))
    expect(it.cached.get(3)).toBe(110)
  })

  test('only the last turn of a conversation is read again', async () => {
    const it = fakeEngine({ blocks: 64 })
    const prompt = promptOf(numbers(2), 50)
    const first = it.ask({ id: 1, prompt, maxTokens: 10 })
    // Keeps the engine from being idle until both have ended.
    const other = it.ask({ id: 2, prompt: promptOf(numbers(3), 50), maxTokens: 100, sameness: false })
    await it.ask({ id: 3, prompt: [...prompt, ...(await first), 5, 6, 7], maxTokens: 10 })
    await other
    await idle(it)
    expect(computed(it.steps, 'reread')).toBe(10)
  })
})
