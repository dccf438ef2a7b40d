/**
 * The next token from one row of logits, by the rule in src/contract/sampling.ts: a pure function of logits, parameters and the
 * token's place in the answer. The rule is simple and slow; this is a fast way to the very same token, and a test compares the two.
 */
import type { LogitAdjustments } from './adjust-logits.ts'
import { ln } from './exact-math.ts'
import { createMinP } from './min-p.ts'
import { philox } from './philox.ts'
import { createPhiloxWords } from './philox-wasm.ts'
import { createTopSelection } from './top-selection.ts'

export type SamplingParameters = {
  /** 0 takes the largest logit. */
  temperature: number
  /** How many of the largest logits may be drawn; 0 is no limit. */
  topK: number
  /** 1 is no limit. */
  topP: number
  /** The least share of the likeliest token's probability that a token must have; 0 or absent is no limit. */
  minP?: number
  /** The low and the high 32 bits of the seed, unsigned. */
  seed: [low: number, high: number]
  /** Which of the answers to one request this is. */
  choice: number
  /** Of the logits, before they come here (adjust-logits.ts). Absent: none. */
  adjustments?: LogitAdjustments
}

/**
 * @param logits float [vocabSize], of which at least one is finite; not kept
 * @param index place of the token in the answer, from 0
 */
export type Sampler = (logits: Float32Array, parameters: SamplingParameters, index: number) => number

/** Below it the likeliest token is certain, and dividing by it leaves the range of numbers; vLLM draws the line here, too. */
export const TEMPERATURE_MIN = 1e-5

/** Gumbel noise from a random word: -ln(-ln u), u = (word + 1/2) / 2^32. */
export const gumbel = (word: number): number => -ln(-ln((word + 0.5) / 2 ** 32))

/**
 * An upper bound of gumbel(word), by the number of its leading ones: -ln u >= 1 - u >= 2^-(ones + 1). It spares two logarithms
 * for all but a handful of tokens; the margin is far above the rounding of either.
 */
const GUMBEL_MAX_BY_LEADING_ONES = Float64Array.from({ length: 33 }, (_, ones) => (ones + 1) * Math.LN2 + 1e-9)

/** Beyond so many candidates the words of the whole vocabulary are made faster than those of the candidates one by one. */
const SINGLE_DRAWS_MAX = 4_096

export function createSampler(vocabSize: number): Sampler {
  const wordsOfAll = createPhiloxWords(vocabSize)
  const topSelection = createTopSelection(vocabSize)
  const selectMinP = createMinP(vocabSize)
  /** By id, like the words of all, and filled only for the candidates at hand. */
  const singleWords = new Uint32Array(vocabSize)
  const everyId = Int32Array.from({ length: vocabSize }, (_, id) => id)

  return (logits, parameters, index) => {
    const { temperature, topK, topP, minP = 0, seed, choice } = parameters
    const top = largest(logits)
    if (temperature < TEMPERATURE_MIN) return top
    const likely = minP > 0 ? selectMinP(logits, logits[top] ?? 0, temperature, minP) : { ids: everyId, logits }
    const ids = topK === 0 && topP === 1 ? likely.ids : topSelection(likely.logits, logits[top] ?? 0, parameters)
    const words = ids.length > SINGLE_DRAWS_MAX ? wordsOfAll(index, choice, seed[0], seed[1]) : singleWords
    if (words === singleWords) for (const id of ids) words[id] = philox([index, id, choice, 0], seed)[0]

    // The likeliest first, so that most others need no logarithm; it is always among the candidates.
    let best = top
    let bestScore = (logits[top] ?? 0) / temperature + gumbel(words[top] ?? 0)
    // By index: iterating over a typed array of 49,152 costs as much as the model's own share of a step.
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] ?? 0
      const z = (logits[id] ?? 0) / temperature
      const word = words[id] ?? 0
      if (z + (GUMBEL_MAX_BY_LEADING_ONES[Math.clz32(~word)] ?? 0) < bestScore) continue
      const score = z + gumbel(word)
      if (score < bestScore || (score === bestScore && id >= best)) continue
      best = id
      bestScore = score
    }
    return best
  }
}

/** Ties go to the lowest id. */
export function largest(logits: Float32Array): number {
  let best = 0
  let bestLogit = Number.NEGATIVE_INFINITY
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] ?? 0
    if (logit > bestLogit) {
      best = id
      bestLogit = logit
    }
  }
  return best
}
