/**
 * The next token from one row of logits, by the rule in src/contract/sampling.ts: a pure function of logits, parameters and the
 * token's place in the answer. The rule is naive on purpose; this is the fast way to the very same token.
 */
import { exp, ln } from './exact-math.ts'
import { philoxWord } from './philox.ts'

export type SamplingParameters = {
  /** 0 takes the largest logit. */
  temperature: number
  /** How many of the largest logits may be drawn; 0 is no limit. */
  topK: number
  /** 1 is no limit. */
  topP: number
  /** The low and the high 32 bits of the seed, unsigned. */
  seed: [low: number, high: number]
  /** Which of the answers to one request this is. */
  choice: number
}

/**
 * @param logits float [vocabSize]; not kept
 * @param index place of the token in the answer, from 0
 */
export type Sampler = (logits: Float32Array, parameters: SamplingParameters, index: number) => number

export const gumbel = (word: number): number => -ln(-ln((word + 0.5) / 2 ** 32))

export function createSampler(_vocabSize: number): Sampler {
  return (logits, parameters, index) => {
    const top = largest(logits)
    if (parameters.temperature === 0) return top
    const { temperature, seed, choice } = parameters
    let best = -1
    let bestScore = Number.NEGATIVE_INFINITY
    const ids = candidates(logits, parameters)
    for (const id of ids) {
      const score = (logits[id] ?? 0) / temperature + gumbel(philoxWord(index, id, choice, seed[0], seed[1]))
      if (score > bestScore || (score === bestScore && id < best)) {
        best = id
        bestScore = score
      }
    }
    return best
  }
}

function candidates(logits: Float32Array, { temperature, topK, topP }: SamplingParameters): number[] {
  let ids = Array.from(logits, (_, id) => id)
  if (topK === 0 && topP === 1) return ids
  ids.sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b)
  if (topK > 0) ids = ids.slice(0, topK)
  if (topP < 1) {
    const max = (logits[ids[0] ?? 0] ?? 0) / temperature
    const mass = (id: number) => exp((logits[id] ?? 0) / temperature - max)
    const total = [...ids].sort((a, b) => a - b).reduce((sum, id) => sum + mass(id), 0)
    let sum = 0
    let count = 0
    for (const id of ids) {
      sum += mass(id)
      count++
      if (sum >= topP * total) break
    }
    ids = ids.slice(0, count)
  }
  return ids
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
