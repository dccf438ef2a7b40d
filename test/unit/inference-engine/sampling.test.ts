import { describe, expect, test } from 'vitest'
import { exp, ln } from '../../../functions/inference/engine/exact-math.ts'
import { philox } from '../../../functions/inference/engine/philox.ts'
import { createPhiloxWords } from '../../../functions/inference/engine/philox-wasm.ts'
import { createSampler, gumbel, type SamplingParameters } from '../../../functions/inference/engine/sampler.ts'
import { seedWords } from '../../../functions/inference/http/answer-plan.ts'
import { SAMPLING_LOGITS } from '../../../src/contract/sampling.ts'
import { PHILOX_VECTORS, SAMPLING_VECTORS, VECTOR_INDICES } from '../../../src/contract/sampling-vectors.ts'

const VOCABULARY = 49_152
const randomLogits = SAMPLING_LOGITS.vocabulary((counter) => philox([counter, 0, 0, 0], [1, 2])[0])

/** The rule of src/contract/sampling.ts word for word, with the language's own mathematics. */
function naive(logits: Float32Array, parameters: SamplingParameters, index: number): number {
  const { temperature, topK, topP, seed, choice } = parameters
  let left = Array.from(logits, (_, id) => id).sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b)
  if (temperature === 0) return left[0] ?? 0
  const z = Array.from(logits, (logit) => logit / temperature)
  const zMax = z[left[0] ?? 0] ?? 0
  if (topK > 0) left = left.slice(0, topK)
  if (topP < 1) {
    const mass = (id: number) => {
      const distance = (z[id] ?? 0) - zMax
      return distance < -24 ? 0 : Math.round(2 ** 32 * Math.exp(distance))
    }
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

describe('the contract', () => {
  for (const { logits, temperature, topK, topP, seed, choice, tokens } of SAMPLING_VECTORS) {
    test(`${logits}, temperature ${temperature}, top_k ${topK}, top_p ${topP}, seed ${seed}, choice ${choice}`, () => {
      const row = Float32Array.from(logits === 'vocabulary' ? randomLogits : SAMPLING_LOGITS[logits](() => 0))
      const sampler = createSampler(row.length)
      const parameters = { temperature, topK, topP, seed: seedWords(seed), choice }
      expect(VECTOR_INDICES.map((index) => sampler(row, parameters, index))).toEqual(tokens)
    })
  }
})

test('the fast way gives the token of the rule, whatever the parameters and however the logits lie', () => {
  // Large enough for the way that draws all words at once, small enough to sort often.
  const size = 8_192
  const sampler = createSampler(size)
  const uniform = (counter: number, word: 0 | 1 | 2 | 3) => philox([counter, 1, 0, 0], [3, 4])[word] / 2 ** 32
  for (let round = 0; round < 12; round++) {
    const spread = [0, 1, 8, 200][round % 4] ?? 0
    // Few distinct values make many ties; a few tall ones make a peaked distribution.
    const steps = round % 3 === 0 ? 16 : 2 ** 20
    const logits = Float32Array.from(
      { length: size },
      (_, id) => (Math.floor(uniform(id + round * size, 0) * steps) / steps - 0.5) * spread,
    )
    if (round % 2 === 0) for (let tall = 0; tall < 5; tall++) logits[(tall * 9_973) % size] = spread / 2 + tall
    const parameters: SamplingParameters = {
      temperature: [0.2, 0.8, 1, 2][Math.floor(uniform(round, 1) * 4)] ?? 1,
      topK: [0, 1, 40, 6_000][Math.floor(uniform(round, 2) * 4)] ?? 0,
      topP: [1, 0.9, 0.999, 1e-9][Math.floor(uniform(round, 3) * 4)] ?? 1,
      seed: [round, 0x9abcdef0],
      choice: round % 2,
    }
    expect(sampler(logits, parameters, round), JSON.stringify(parameters)).toBe(naive(logits, parameters, round))
  }
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
