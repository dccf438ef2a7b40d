import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Engine, startEngine } from '../../../functions/inference/engine/engine-client.ts'
import type { EngineOptions, EngineRequest } from '../../../functions/inference/engine/engine-messages.ts'
import { loadTokenizer } from '../../../functions/inference/text/tokenizer.ts'
import { defaultModelFolder, QUESTIONS } from './default-model.ts'

/** As long as the kernels' differences need to show: on average four tokens after a continuation without the rules, at most 24. */
const ANSWER_TOKENS = 28

let folder: string
let engine: Engine
let prompts: number[][]

const start = (options: Partial<EngineOptions> = {}) =>
  startEngine({
    ...{ folder, slots: 8, context: 512, threads: 2, spinUs: 10, batchInvariant: 'seeded' },
    // With the prefix cache, so that what it gives is held against what is computed.
    ...{ chunkTokens: 128, chunkMs: 100, prefixCacheBytes: 256 * 2 ** 20 },
    ...options,
  })

beforeAll(async () => {
  folder = await defaultModelFolder()
  const tokenizer = await loadTokenizer(folder)
  prompts = QUESTIONS.slice(0, 8).map((question) =>
    tokenizer.encode(`<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`, { specialTokens: true }),
  )
  engine = start()
  await engine.ready
})
afterAll(() => engine.stop())

/** The whole answer, what was given along included. */
function ask(prompt: number[], asked: { temperature: number; seed: number; answer?: number[] }, on = engine) {
  const { temperature, seed, answer = [] } = asked
  const sampling = { temperature, topK: 0, topP: 1, seed: [seed, 0] as [number, number], choice: 0 }
  const request: Omit<EngineRequest, 'id'> = { prompt, answer, maxTokens: ANSWER_TOKENS, sampling, sameness: true }
  return new Promise<number[]>((resolve, reject) => {
    const ids = [...answer]
    on.generate(request, (event) => {
      if (event.type === 'tokens') ids.push(...event.ids)
      else if (event.type === 'end') resolve(ids)
      else reject(new Error(event.code))
    })
  })
}

async function askAlone(temperature: number) {
  const answers: number[][] = []
  for (const [seed, prompt] of prompts.entries()) answers.push(await ask(prompt, { temperature, seed }))
  return answers
}

describe.each([0, 0.8])('at temperature %s', (temperature) => {
  let alone: number[][]
  beforeAll(async () => {
    alone = await askAlone(temperature)
  })

  test('the answers are worth comparing: they differ from each other and are long', () => {
    expect(new Set(alone.map(String)).size).toBe(alone.length)
    expect(alone.filter(({ length }) => length === ANSWER_TOKENS).length).toBeGreaterThan(4)
  })

  test('an answer that goes on elsewhere is the one it would have been, beside others and alone', async () => {
    // Cut at the first token, at the last, and in between.
    const cut = (answer: number[], index: number) =>
      answer.slice(0, 1 + ((index * 11) % Math.max(1, answer.length - 1)))
    const together = await Promise.all(
      prompts.map((prompt, seed) => ask(prompt, { temperature, seed, answer: cut(alone[seed] ?? [], seed) })),
    )
    expect(together).toEqual(alone)
    for (const seed of [1, 4]) {
      const answer = cut(alone[seed] ?? [], seed + 3)
      expect(await ask(prompts[seed] ?? [], { temperature, seed, answer })).toEqual(alone[seed])
    }
  })

  test('neither chunks nor slots nor threads nor the prefix cache show in an answer', async () => {
    const other = start({ slots: 3, chunkTokens: 5, threads: 1, prefixCacheBytes: 0 })
    await other.ready
    const answers = await Promise.all(
      prompts.slice(0, 5).map((prompt, seed) => ask(prompt, { temperature, seed }, other)),
    )
    await other.stop()
    expect(answers).toEqual(alone.slice(0, 5))
  })
})

test('a prompt of one token is answered, the same alone and beside others', async () => {
  const lonely = { temperature: 0.8, seed: 9 }
  const alone = await ask([504], lonely)
  expect(alone.length).toBe(ANSWER_TOKENS)
  const [beside] = await Promise.all([
    ask([504], lonely),
    ...prompts.slice(0, 3).map((prompt) => ask(prompt, { temperature: 1, seed: 1 })),
  ])
  expect(beside).toEqual(alone)
})
