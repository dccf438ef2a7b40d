import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Engine, startEngine } from '../../../functions/inference/engine/engine-client.ts'
import type { StepReport } from '../../../functions/inference/engine/engine-messages.ts'
import { loadTokenizer } from '../../../functions/inference/text/tokenizer.ts'
import { defaultModelFolder, QUESTIONS } from './default-model.ts'

const SLOTS = 2
const CONVERSATIONS = 4
const TURNS = 3
const ANSWER_TOKENS = 12

let cached: Engine
let plain: Engine
let encode: (text: string) => number[]
const steps: StepReport[] = []

beforeAll(async () => {
  const folder = await defaultModelFolder()
  const tokenizer = await loadTokenizer(folder)
  encode = (text) => tokenizer.encode(text, { specialTokens: true })
  const options = {
    ...{ folder, slots: SLOTS, context: 512, threads: 2, spinUs: 10, chunkTokens: 128, chunkMs: 100 },
    batchInvariant: 'seeded' as const,
  }
  cached = startEngine({ ...options, prefixCacheBytes: 256 * 2 ** 20, onStep: (step) => steps.push(step) })
  plain = startEngine({ ...options, prefixCacheBytes: 0 })
  await Promise.all([cached.ready, plain.ready])
})
afterAll(() => Promise.all([cached.stop(), plain.stop()]))

function ask(engine: Engine, prompt: number[], sameness: boolean) {
  const sampling = { temperature: 0, topK: 0, topP: 1, seed: [0, 0] as [number, number], choice: 0 }
  return new Promise<{ ids: number[]; cachedTokens: number }>((resolve, reject) => {
    const answer = { ids: [] as number[], cachedTokens: 0 }
    engine.generate({ prompt, answer: [], maxTokens: ANSWER_TOKENS, sampling, sameness }, (event) => {
      if (event.type === 'error') return reject(new Error(event.code))
      if (event.type === 'end') return resolve(answer)
      if (event.type !== 'tokens') return
      answer.ids.push(...event.ids)
      answer.cachedTokens = event.cachedTokens
    })
  })
}
const computed = () => steps.reduce((sum, { kind, amount }) => sum + (kind === 'prefill' ? amount : 0), 0)
const turn = (question: string) =>
  encode(`<|im_end|>\n<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`)

test.each([
  { name: 'what is new and the last token answered', sameness: false, needed: 1 },
  {
    name: 'what is new and the last answer, and gives what is answered without a cache,',
    sameness: true,
    needed: ANSWER_TOKENS,
  },
])('of more conversations than slots, each turn computes $name', async ({ sameness, needed }) => {
  const histories = QUESTIONS.slice(0, CONVERSATIONS).map((question) => [
    ...encode(sameness ? 'A' : 'B'),
    ...turn(question),
  ])
  const lastAdded: number[] = []
  for (let round = 0; round < TURNS; round++) {
    for (const [index, prompt] of histories.entries()) {
      const before = computed()
      const { ids, cachedTokens } = await ask(cached, prompt, sameness)
      expect(computed() - before + cachedTokens).toBe(prompt.length)
      const added = turn(QUESTIONS[4 + index + round] ?? '')
      if (round > 0) expect(computed() - before).toBeLessThanOrEqual(lastAdded[index] ?? 0)
      if (sameness) expect(ids).toEqual((await ask(plain, prompt, true)).ids)
      histories[index] = [...prompt, ...ids, ...added]
      lastAdded[index] = added.length + needed
    }
  }
})
