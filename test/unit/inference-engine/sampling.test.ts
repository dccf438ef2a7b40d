import { describe, expect, test } from 'vitest'
import { createAdjustLogits, openHistory, remember } from '../../../functions/inference/engine/adjust-logits.ts'
import { exp, ln } from '../../../functions/inference/engine/exact-math.ts'
import { createMinP } from '../../../functions/inference/engine/min-p.ts'
import { philox } from '../../../functions/inference/engine/philox.ts'
import { createPhiloxWords } from '../../../functions/inference/engine/philox-wasm.ts'
import { createSampler, gumbel, type SamplingParameters } from '../../../functions/inference/engine/sampler.ts'
import { seedWords } from '../../../functions/inference/http/sampling-plan.ts'
import { SAMPLING_LOGITS } from '../../../src/contract/sampling.ts'
import {
  type Changes,
  PHILOX_VECTORS,
  SAMPLING_VECTORS,
  VECTOR_INDICES,
} from '../../../src/contract/sampling-vectors.ts'

const VOCABULARY = 49_152
const randomLogits = SAMPLING_LOGITS.vocabulary((counter) => philox([counter, 0, 0, 0], [1, 2])[0])

/** Step 1 of the rule in src/contract/sampling.ts, word for word. */
function naiveChange(given: Float32Array, changes: Changes, index: number): Float32Array {
  const { bias = [], repetitionPenalty: r = 1, prompt = [], answer = [], minTokens = 0, ends = [], allowed } = changes
  const logits = given.map((logit, id) => (allowed === undefined || allowed.includes(id) ? logit : -Infinity))
  const isLeft = logits.some((logit, id) => logit > -Infinity && !ends.includes(id))
  if (index < minTokens && isLeft) for (const id of ends) logits[id] = -Infinity
  for (const [id, amount] of bias) logits[id] = (logits[id] ?? 0) + amount
  for (const id of new Set([...prompt, ...answer])) {
    const logit = logits[id] ?? 0
    if (r !== 1) logits[id] = logit > 0 ? logit / r : logit * r
  }
  for (const id of new Set(answer)) {
    const count = answer.filter((other) => other === id).length
    logits[id] = (logits[id] ?? 0) - (changes.frequencyPenalty ?? 0) * count - (changes.presencePenalty ?? 0)
  }
  return logits
}

/** The rest of it, with the language's own mathematics. */
function naive(logits: Float32Array, parameters: SamplingParameters, index: number): number {
  const { temperature, topK, topP, minP = 0, seed, choice } = parameters
  let left = Array.from(logits, (_, id) => id).sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b)
  if (temperature === 0) return left[0] ?? 0
  const z = Array.from(logits, (logit) => logit / temperature)
  const zMax = z[left[0] ?? 0] ?? 0
  const mass = (id: number) => {
    const distance = (z[id] ?? 0) - zMax
    return distance < -24 ? 0 : Math.round(2 ** 32 * Math.exp(distance))
  }
  if (minP > 0) left = left.filter((id) => mass(id) >= minP * 2 ** 32)
  if (topK > 0) left = left.slice(0, topK)
  if (topP < 1) {
    const wanted = topP * left.reduce((sum, id) => sum + mass(id), 0)
    let sum = 0
    left = left.filter((id) => {
      const isIn = sum < wanted
      sum += mass(id)
      return isIn
    })
  }
  const score = (id: number) =>
    (z[id] ?? 0) - Math.log(-Math.log((philox([index, id, choice, 0], seed)[0] + 0.5) / 2 ** 32))
  const scores = left.map((id) => ({ id, score: score(id) }))
  return scores.reduce((best, next) =>
    next.score > best.score || (next.score === best.score && next.id < best.id) ? next : best,
  ).id
}

test('Philox gives the known answers of its authors', () => {
  for (const { counter, key, output } of PHILOX_VECTORS) expect(philox(counter, key)).toEqual(output)
})

test('the vector code draws the same word as the readable one for every token', () => {
  const count = VOCABULARY + 3
  const words = createPhiloxWords(count)
  for (const [index, choice, low, high] of [
    [0, 0, 0, 0],
    [7, 1, 123, 0xfffffff0],
    [0xffffffff, 5, 0xdeadbeef, 0x12345678],
  ] as const) {
    const drawn = words(index, choice, low, high)
    const wrong = drawn.findIndex((word, id) => word !== philox([index, id, choice, 0], [low, high])[0])
    expect(wrong).toBe(-1)
  }
})

/** The fast way: the engine's parts put together as draw-token.ts does. */
function createDraw(size: number) {
  const sampler = createSampler(size)
  const adjustLogits = createAdjustLogits(size)
  return (logits: Float32Array, parameters: SamplingParameters, changes: Changes, index: number) => {
    const { bias = [], repetitionPenalty = 1, frequencyPenalty = 0, presencePenalty = 0 } = changes
    const adjustments = { bias, repetitionPenalty, frequencyPenalty, presencePenalty }
    const history = openHistory(adjustments, changes.prompt ?? [])
    for (const id of changes.answer ?? []) remember(history, id)
    const allowed = changes.allowed === undefined ? null : maskOf(changes.allowed, size)
    const barred = index < (changes.minTokens ?? 0) ? (changes.ends ?? []) : []
    const adjusted = adjustLogits(logits, { adjustments, history, allowed, barred })
    return sampler(adjusted, { ...parameters, minP: changes.minP ?? 0 }, index)
  }
}

function maskOf(ids: readonly number[], size: number): Int32Array {
  const mask = new Int32Array(Math.ceil(size / 32))
  for (const id of ids) mask[id >> 5] = (mask[id >> 5] ?? 0) | (1 << (id & 31))
  return mask
}

describe('the contract', () => {
  for (const { logits, temperature, topK, topP, seed, choice, tokens, changes = {} } of SAMPLING_VECTORS) {
    const shown = JSON.stringify(changes).slice(0, 100)
    test(`${logits}, temperature ${temperature}, top_k ${topK}, top_p ${topP}, seed ${seed}, choice ${choice}, ${shown}`, () => {
      const row = Float32Array.from(logits === 'vocabulary' ? randomLogits : SAMPLING_LOGITS[logits](() => 0))
      const draw = createDraw(row.length)
      const parameters = { temperature, topK, topP, seed: seedWords(seed), choice }
      expect(VECTOR_INDICES.map((index) => draw(row, parameters, changes, index))).toEqual(tokens)
    })
  }
})

test('the fast way gives the token of the rule, whatever the parameters and however the logits lie', () => {
  // Large enough for the way that draws all words at once, small enough to sort often.
  const size = 8_192
  const draw = createDraw(size)
  const uniform = (counter: number, word: 0 | 1 | 2 | 3) => philox([counter, 1, 0, 0], [3, 4])[word] / 2 ** 32
  const someIds = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => Math.floor(uniform(from + i, 3) * size))
  for (let round = 0; round < 36; round++) {
    const spread = [0, 1, 8, 200][round % 4] ?? 0
    // Few distinct values make many ties; a few tall ones make a peaked distribution.
    const steps = round % 3 === 0 ? 16 : 2 ** 20
    const logits = Float32Array.from(
      { length: size },
      (_, id) => (Math.floor(uniform(id + round * size, 0) * steps) / steps - 0.5) * spread,
    )
    if (round % 2 === 0) for (let tall = 0; tall < 5; tall++) logits[(tall * 9_973) % size] = spread / 2 + tall
    const pick = <Value>(from: number, values: readonly Value[]): Value | undefined =>
      values[Math.floor(uniform(round + 1_000 * from, 1) * values.length)]
    const parameters: SamplingParameters = {
      temperature: [0.2, 0.8, 1, 2][Math.floor(uniform(round, 1) * 4)] ?? 1,
      topK: [0, 1, 40, 6_000][Math.floor(uniform(round, 2) * 4)] ?? 0,
      topP: [1, 0.9, 0.999, 1e-9][Math.floor(uniform(round, 3) * 4)] ?? 1,
      seed: [round, 0x9abcdef0],
      choice: round % 2,
    }
    expect(draw(logits, parameters, {}, round), JSON.stringify(parameters)).toBe(naive(logits, parameters, round))
    const prompt = someIds(round * 10_000, 300)
    const answer = someIds(round * 10_000 + 500, 40)
    const changes: Changes = {
      minP: pick(1, [0, 0.9, 0.1, 1e-6, 3e-10]) ?? 0,
      repetitionPenalty: pick(2, [1, 1.3, 0.7]) ?? 1,
      frequencyPenalty: pick(3, [0, 0.3, -1.9]) ?? 0,
      presencePenalty: pick(4, [0, 1.5, -2]) ?? 0,
      bias: someIds(round * 10_000 + 700, pick(5, [0, 30]) ?? 0).map((id, i) => [id, (i - 15) * 6.7] as const),
      // Whatever is likely is said twice and more.
      prompt: [...prompt, 9_973 % size],
      answer: [...answer, ...answer.slice(0, 9), 0, 0, 0],
      minTokens: pick(6, [0, 100]) ?? 0,
      ends: [0, 9_973 % size, ...someIds(round * 10_000 + 800, 20)],
      ...(pick(7, [true, false]) ? { allowed: [0, 1, 2, ...someIds(round * 10_000 + 900, 400)] } : {}),
    }
    const all = { ...parameters, minP: changes.minP ?? 0 }
    const changed = naiveChange(logits, changes, round)
    expect(draw(logits, parameters, changes, round), JSON.stringify([parameters, changes])).toBe(
      naive(changed, all, round),
    )
  }
})

test('min_p keeps a token whose mass is rounded up to the least that is asked for', () => {
  const logits = Float32Array.from([0, Math.log(1.6 / 2 ** 32), Math.log(1.4 / 2 ** 32)])
  // 1.72 of 2^32: a mass of 1.6 counts as 2, one of 1.4 as 1.
  expect([...createMinP(logits.length)(logits, 0, 1, 4e-10).ids]).toEqual([0, 1])
})

test('top_p keeps the fewest tokens that reach it, the first ones where they are equal', () => {
  const logits = new Float32Array(4)
  const sampler = createSampler(logits.length)
  const drawn = (topP: number) => {
    const parameters: SamplingParameters = { temperature: 1, topK: 0, topP, seed: [1, 0], choice: 0 }
    return new Set(Array.from({ length: 100 }, (_, index) => sampler(logits, parameters, index)))
  }
  expect(drawn(0.5)).toEqual(new Set([0, 1]))
  expect(drawn(0.51)).toEqual(new Set([0, 1, 2]))
})

test('tokens come as often as softmax says', () => {
  const logits = Float32Array.from([1, 0, -1, 2, 0.5])
  const draws = 20_000
  const temperature = 0.8
  const sampler = createSampler(logits.length)
  const counts = new Array<number>(logits.length).fill(0)
  for (let index = 0; index < draws; index++) {
    const id = sampler(logits, { temperature, topK: 0, topP: 1, seed: [1, 2], choice: 0 }, index)
    counts[id] = (counts[id] ?? 0) + 1
  }
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit / temperature), 0)
  const chiSquare = counts.reduce((sum, count, id) => {
    const expected = (draws * Math.exp((logits[id] ?? 0) / temperature)) / total
    return sum + (count - expected) ** 2 / expected
  }, 0)
  // Four degrees of freedom: 18.5 is exceeded once in a thousand; the draws are fixed, so never twice.
  expect(chiSquare).toBeLessThan(18.5)
})

test('no word has more noise than its leading ones allow', () => {
  for (let ones = 0; ones <= 32; ones++) {
    // The largest word with so many leading ones: all ones behind the first zero.
    const word = ones === 32 ? 0xffffffff : (0xffffffff ^ (1 << (31 - ones))) >>> 0
    expect(Math.clz32(~word)).toBe(ones)
    expect(gumbel(word)).toBeLessThanOrEqual((ones + 1) * Math.LN2 + 1e-9)
  }
})

test('exp and ln are exact enough to be called so', () => {
  expect(exp(0)).toBe(1)
  expect(ln(1)).toBe(0)
  for (let i = 0; i < 10_000; i++) {
    const x = -(philox([i, 2, 0, 0], [5, 6])[0] / 2 ** 32) * 24
    expect(Math.abs(exp(x) / Math.exp(x) - 1)).toBeLessThan(1e-12)
    const u = (philox([i, 3, 0, 0], [5, 6])[0] + 0.5) / 2 ** 32
    expect(Math.abs(ln(u) - Math.log(u))).toBeLessThanOrEqual(4e-16 * Math.abs(Math.log(u)))
  }
})

test('a seed is 64 bits of two s complement', () => {
  expect(seedWords(5)).toEqual([5, 0])
  expect(seedWords(-1)).toEqual([0xffffffff, 0xffffffff])
  expect(seedWords(2 ** 53 - 1)).toEqual([0xffffffff, 0x1fffff])
})

test('a temperature so small that dividing by it leaves the range of numbers takes the likeliest token', () => {
  const sample = createSampler(VOCABULARY)
  const logits = Float32Array.from(randomLogits)
  const parameters: SamplingParameters = { temperature: 0, topK: 0, topP: 1, seed: [1, 0], choice: 0 }
  for (const temperature of [1e-320, 1e-308, 1e-6]) {
    expect(sample(logits, { ...parameters, temperature }, 3)).toBe(sample(logits, parameters, 3))
  }
})
