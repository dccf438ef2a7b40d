import { describe, expect, test } from 'vitest'
import { createChunkPace } from '../../../functions/inference/engine/chunk-pace.ts'
import { fakeEngine, numbers, promptOf } from './fake-engine.ts'

/** Milliseconds of a chunk on a machine where a token at depth 1,500 costs twice what it costs at 0. */
const chunkCost = (count: number, depth: number, slowness = 1) =>
  slowness * count * 2 * (1 + (depth + count / 2) / 1_500)
const STEP_MS = 20

describe('the pace', () => {
  test('follows the cost at every depth, from chunks of any size', () => {
    const pace = createChunkPace()
    for (const [count, depth] of [
      [32, 0],
      [100, 32],
      [60, 700],
      [128, 132],
    ] as const) {
      pace.observe(count, depth, chunkCost(count, depth))
    }
    for (const depth of [0, 500, 1_000, 3_000]) {
      expect(chunkCost(pace.tokensWithin(100, depth), depth)).toBeCloseTo(100, 6)
    }
  })

  test('forgets how fast the machine was', () => {
    const pace = createChunkPace()
    for (let depth = 0; depth < 900; depth += 90) pace.observe(90, depth, chunkCost(90, depth))
    for (let depth = 0; depth < 900; depth += 30) pace.observe(30, depth, chunkCost(30, depth, 3))
    expect(chunkCost(pace.tokensWithin(100, 400), 400, 3)).toBeLessThan(115)
  })

  test('is never negative nor nothing, whatever noise it was given', () => {
    const next = numbers(3)
    for (let round = 0; round < 200; round++) {
      const pace = createChunkPace()
      for (let count = 1 + next(6); count > 0; count--) pace.observe(1 + next(200), next(2_000), next(3) * next(500))
      const tokens = pace.tokensWithin(100, next(4_000))
      expect(tokens).toBeGreaterThan(0)
    }
  })
})

/** Four streams and then a prompt of 1,000 tokens: gaps between any stream's tokens, and how long the prompt took. */
async function whilePromptIsRead(chunkMs: number, slowness = 1) {
  const it = fakeEngine({ slots: 5, context: 4_096, chunkTokens: 512, chunkMs })
  const chunks: number[] = []
  it.onRun((run) => {
    it.wait(run.kind === 'prefill' ? chunkCost(run.count, run.position, slowness) : STEP_MS)
    if (run.kind === 'prefill') chunks.push(run.count)
  })
  const gaps: number[] = []
  const last = new Map<number, number>()
  let askedAt = 0
  let tookMs = 0
  it.onStep(({ tokens, cached }) => {
    for (let i = 0; i < tokens.length; i += 2) {
      const id = tokens[i] ?? 0
      const before = last.get(id)
      if (before !== undefined && askedAt > 0 && tookMs === 0) gaps.push(it.now() - before)
      last.set(id, it.now())
      if (id === 2 && askedAt === 0 && last.size === 4 && it.now() > 2_000) {
        askedAt = it.now()
        void it.ask({ id: 9, prompt: promptOf(numbers(1), 1_000), maxTokens: 1 })
      }
    }
    if (cached.some(([id]) => id === 9)) tookMs = it.now() - askedAt
  })
  await Promise.all(
    [1, 2, 3, 4].map((id) => it.ask({ id, prompt: promptOf(numbers(id), 10), maxTokens: 300, sameness: false })),
  )
  return { gaps: gaps.sort((a, b) => a - b), tookMs, chunks }
}

describe('a prompt of 1,000 tokens beside four streams', () => {
  test.each([1, 4])('keeps nobody waiting longer than it may, on a machine %i times slower', async (slowness) => {
    const { gaps, tookMs } = await whilePromptIsRead(100, slowness)
    const p99 = gaps[Math.ceil(gaps.length * 0.99) - 1] ?? 0
    expect(gaps.length).toBeGreaterThan(60)
    expect(p99).toBeLessThan(150 + STEP_MS)
    // And the prompt gets its time: all but a step behind each chunk.
    expect(chunkCost(1_000, 0, slowness) / tookMs).toBeGreaterThan(0.75)
  })

  test('is read in shorter chunks where others may wait less', async () => {
    const { gaps } = await whilePromptIsRead(40)
    expect(gaps.at(-1)).toBeLessThan(60 + STEP_MS)
  })
})

test('a prompt that nobody waits beside is read in the longest chunks', async () => {
  const it = fakeEngine({ context: 2_048, chunkTokens: 512 })
  it.onRun((run) => it.wait(run.kind === 'prefill' ? chunkCost(run.count, run.position) : STEP_MS))
  await it.ask({ id: 1, prompt: promptOf(numbers(1), 1_500), maxTokens: 2 })
  expect(it.runs.filter(({ kind }) => kind === 'prefill').map(({ count }) => count)).toEqual([512, 512, 476])
})
