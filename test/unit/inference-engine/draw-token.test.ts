import { expect, test } from 'vitest'
import { createDrawToken, openDrawing } from '../../../functions/inference/engine/draw-token.ts'
import type { EngineRequest, StepReport } from '../../../functions/inference/engine/engine-messages.ts'
import { readChunkLogits } from '../../../functions/inference/engine/prompt-logprobs.ts'
import { createSampler } from '../../../functions/inference/engine/sampler.ts'
import { tokenLogprobs } from '../../../functions/inference/engine/token-logprobs.ts'

const END = 0
const SIZE = 5
const newStep = (): StepReport => ({
  ...{ kind: 'decode', milliseconds: 0, amount: 0, tokens: [], ended: [], waiting: 0, prefilling: 0, decoding: 0 },
  ...{ cached: [], storedBytes: 0 },
})
const drawToken = createDrawToken(SIZE, createSampler(SIZE), [END])
const requestOf = (change: Partial<EngineRequest>): EngineRequest => ({
  ...{ id: 7, prompt: [1], answer: [], maxTokens: 9, sameness: true },
  sampling: { temperature: 0, topK: 0, topP: 1, seed: [0, 0], choice: 0 },
  ...change,
})

/** Draws from the same logits until the answer ends. */
function answerTo(request: EngineRequest, logits: number[]) {
  const drawing = openDrawing(request)
  const step = newStep()
  while (!drawToken(drawing, Float32Array.from(logits), step)) if (step.tokens.length > 40) throw new Error('No end.')
  return { tokens: step.tokens.filter((_, index) => index % 2 === 1), reason: step.ended[0]?.[1], step }
}

const END_FIRST = [3, 2, 1, 0, -1]

test('the end token ends an answer, not before min_tokens, and not where it is ignored', () => {
  const plain = { ignoreEos: false, stopTokenIds: [], minTokens: 0 }
  expect(answerTo(requestOf({}), END_FIRST)).toMatchObject({ tokens: [END], reason: 'stop' })
  const late = requestOf({ endings: { ...plain, minTokens: 2 } })
  expect(answerTo(late, END_FIRST)).toMatchObject({ tokens: [1, 1, END], reason: 'stop' })
  const ignored = requestOf({ endings: { ...plain, ignoreEos: true }, maxTokens: 3 })
  expect(answerTo(ignored, END_FIRST)).toMatchObject({ tokens: [END, END, END], reason: 'length' })
  const other = requestOf({ endings: { ...plain, ignoreEos: true, stopTokenIds: [1], minTokens: 1 } })
  expect(answerTo(other, [0, 5, 4, 0, 0])).toMatchObject({ tokens: [2, 1], reason: 'stop' })
})

test('penalties remember what came with a request as if it had been drawn here', () => {
  const adjustments = { bias: [], repetitionPenalty: 1.1, frequencyPenalty: 0.6, presencePenalty: 0.3 }
  const sampling = { ...requestOf({}).sampling, temperature: 1, adjustments }
  const logits = [-50, 2, 1.5, 1, 0.5]
  const whole = answerTo(requestOf({ sampling, maxTokens: 20 }), logits).tokens
  expect(new Set(whole).size).toBe(4)
  for (let cut = 1; cut < whole.length; cut++) {
    const rest = answerTo(requestOf({ sampling, maxTokens: 20, answer: whole.slice(0, cut) }), logits).tokens
    expect(rest).toEqual(whole.slice(cut))
  }
})

test('a request for no token at all ends when its prompt is read', () => {
  expect(answerTo(requestOf({ maxTokens: 0 }), END_FIRST)).toMatchObject({ tokens: [], reason: 'length' })
})

test('log-probabilities are of the logits as the model gave them, the likeliest first and ties by id', () => {
  const adjustments = {
    bias: [[3, 9]] as [number, number][],
    repetitionPenalty: 1,
    frequencyPenalty: 0,
    presencePenalty: 0,
  }
  const request = requestOf({ sampling: { ...requestOf({}).sampling, adjustments }, maxTokens: 1, logprobs: 3 })
  const logits = [0, Math.log(2), Math.log(2), Math.log(4), 0]
  const { step } = answerTo(request, logits)
  const [id, { logprob, top }] = step.logprobs?.[0] ?? [0, { logprob: 0, top: [] }]
  expect(id).toBe(7)
  expect(logprob).toBeCloseTo(Math.log(0.4), 6)
  expect(top.map(([token]) => token)).toEqual([3, 1, 2])
  expect(top[1]?.[1]).toBeCloseTo(Math.log(0.2), 6)
  expect(tokenLogprobs(Float32Array.from(logits), 0, 0)).toEqual({ logprob: expect.closeTo(Math.log(0.1), 6), top: [] })
})

test('of a chunk of a prompt, each row tells of the token behind it, and the last row is what is drawn from', () => {
  const request = requestOf({ prompt: [1, 2, 3, 4], promptLogprobs: 0 })
  const logits = Float32Array.from({ length: 2 * SIZE }, (_, index) => index % 7)
  const step = newStep()
  const chunk = { request, start: 1, count: 2, vocabSize: SIZE }
  expect([...readChunkLogits(logits, chunk, step)]).toEqual([...logits.subarray(SIZE)])
  const rows = [logits.subarray(0, SIZE), logits.subarray(SIZE)]
  const wanted = [tokenLogprobs(rows[0] ?? logits, 3, 0), tokenLogprobs(rows[1] ?? logits, 4, 0)]
  expect(step.promptLogprobs).toEqual({ id: 7, logprobs: wanted })
  const last = newStep()
  readChunkLogits(logits, { ...chunk, start: 2 }, last)
  expect(last.promptLogprobs?.logprobs.length).toBe(1)
})
