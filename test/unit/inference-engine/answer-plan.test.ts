import { expect, test } from 'vitest'
import { planAnswer } from '../../../functions/inference/http/answer-plan.ts'
import type { Serving } from '../../../functions/inference/http/serving.ts'
import type { ChatRequest } from '../../../src/contract/chat-completion.ts'

// Sound because a plan reads nothing else of what serves.
const serving = {
  modelName: 'm',
  context: 100,
  tokenizer: { vocabSize: 50, stream: () => ({ push: () => 'text', end: () => '' }) },
} as unknown as Serving
const plan = (request: Partial<ChatRequest>, maxTokens: number | null = null, promptLength = 10) =>
  planAnswer(serving, { model: 'm', messages: [{ role: 'user', content: 'x' }], ...request }, maxTokens, async () =>
    new Array<number>(promptLength).fill(1),
  )

test('whoever gives a seed or temperature 0 gets sameness; a seed that the edge drew does not ask for it', async () => {
  expect((await plan({ seed: 1 })).sameness).toBe(true)
  expect((await plan({ temperature: 0 })).sameness).toBe(true)
  expect((await plan({})).sameness).toBe(false)
  expect((await plan({ seed: 1, perigee: { drawn_seed: true } })).sameness).toBe(false)
  expect((await plan({ seed: 1, temperature: 0, perigee: { drawn_seed: true } })).sameness).toBe(true)
  expect((await plan({ seed: 1, perigee: { drawn_seed: true } })).sampling.seed).toEqual([1, 0])
})

test('without a seed every request draws its own', async () => {
  expect((await plan({})).sampling.seed).not.toEqual((await plan({})).sampling.seed)
})

test('the answer has what the context leaves, and at least one token', async () => {
  expect((await plan({})).maxTokens).toBe(90)
  expect((await plan({}, 5)).maxTokens).toBe(5)
  expect((await plan({}, 500, 99)).maxTokens).toBe(1)
  await expect(plan({}, 5, 100)).rejects.toThrow('context')
})

test('a continuation brings its prompt, which is not tokenised again', async () => {
  const perigee = { continue: { prompt_token_ids: [3, 4], output_token_ids: [5], sent_chars: 2 } }
  const planned = await planAnswer(serving, { model: 'm', messages: [], perigee } as ChatRequest, null, () => {
    throw new Error('tokenised')
  })
  expect(planned).toMatchObject({ prompt: [3, 4], replay: [5], sentChars: 2, maxTokens: 98 })
})
