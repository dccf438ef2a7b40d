/** Known answers for the rule in sampling.ts, made with an independent implementation in Python. */

/** Philox4x32-10, from the Random123 library's kat_vectors: counter, key, output. Words are lowest first. */
export const PHILOX_VECTORS: readonly { counter: Four; key: readonly [number, number]; output: Four }[] = [
  {
    counter: [0, 0, 0, 0],
    key: [0, 0],
    output: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  },
  {
    counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    key: [0xffffffff, 0xffffffff],
    output: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  },
  {
    counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    key: [0xa4093822, 0x299f31d0],
    output: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
]
type Four = readonly [number, number, number, number]

/** The places in the answer at which `tokens` of a vector are drawn. */
export const VECTOR_INDICES = [0, 1, 2, 3, 100, 8191] as const

export type Vector = {
  logits: 'few' | 'even' | 'vocabulary'
  temperature: number
  topK: number
  topP: number
  seed: number
  choice: number
  tokens: readonly number[]
  changes?: Changes
}

/** What a request may ask for beside temperature, top_k and top_p. Absent: what leaves the logits as they are. */
export type Changes = {
  minP?: number
  bias?: readonly (readonly [id: number, amount: number])[]
  repetitionPenalty?: number
  frequencyPenalty?: number
  presencePenalty?: number
  prompt?: readonly number[]
  /** The answer so far, whatever the place at which the token is drawn. */
  answer?: readonly number[]
  minTokens?: number
  /** The model's end tokens and stop_token_ids. */
  ends?: readonly number[]
  /** What a grammar allows. */
  allowed?: readonly number[]
}

const vector = (
  logits: Vector['logits'],
  [temperature, topK, topP]: readonly [number, number, number],
  [seed, choice]: readonly [number, number],
  tokens: readonly number[],
  changes?: Changes,
): Vector => ({ logits, temperature, topK, topP, seed, choice, tokens, ...(changes && { changes }) })

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)

/** logits, [temperature, top_k, top_p], [seed, choice], tokens, changes */
export const SAMPLING_VECTORS: readonly Vector[] = [
  vector('few', [0, 0, 1], [0, 0], [4, 4, 4, 4, 4, 4]),
  vector('even', [0, 0, 1], [7, 0], [0, 0, 0, 0, 0, 0]),
  vector('few', [1, 0, 1], [0, 0], [3, 0, 3, 4, 4, 4]),
  vector('few', [1, 0, 1], [42, 0], [3, 0, 0, 4, 6, 4]),
  vector('few', [0.8, 0, 1], [-1, 0], [4, 4, 4, 4, 4, 3]),
  vector('few', [1, 0, 1], [9_007_199_254_740_991, 0], [4, 3, 0, 4, 4, 3]),
  vector('few', [1, 0, 1], [42, 1], [4, 4, 4, 4, 4, 4]),
  vector('few', [1, 2, 1], [42, 0], [4, 0, 0, 4, 4, 4]),
  vector('few', [1, 0, 0.6], [42, 0], [4, 0, 0, 4, 4, 4]),
  vector('few', [2, 3, 0.9], [5, 0], [3, 4, 4, 4, 0, 4]),
  vector('even', [1, 0, 1], [1, 0], [8, 1, 5, 2, 6, 4]),
  vector('even', [1, 4, 1], [1, 0], [3, 1, 1, 2, 1, 1]),
  vector('vocabulary', [0, 0, 1], [1, 0], [1804, 1804, 1804, 1804, 1804, 1804]),
  vector('vocabulary', [1, 0, 1], [1, 0], [3091, 42920, 28974, 11325, 33323, 31690]),
  vector('vocabulary', [0.7, 40, 1], [2, 0], [2351, 4183, 23866, 11656, 18301, 49048]),
  vector('vocabulary', [1, 0, 0.5], [3, 0], [20388, 4763, 45677, 7516, 40696, 31319]),
  vector('vocabulary', [1.5, 0, 0.95], [4, 0], [48003, 27738, 16241, 26077, 46623, 47214]),
  vector('vocabulary', [0.8, 200, 0.9], [-5, 0], [29061, 16522, 508, 20568, 18301, 911]),
  vector('few', [1, 0, 1], [42, 0], [3, 0, 0, 4, 4, 4], { minP: 0.2 }),
  vector('few', [2, 0, 1], [42, 0], [3, 0, 0, 4, 6, 4], { minP: 0.3 }),
  vector('few', [2, 2, 1], [42, 0], [0, 0, 0, 4, 4, 4], { minP: 0.1 }),
  vector('few', [2, 0, 0.7], [5, 0], [3, 4, 4, 4, 0, 4], { minP: 0.1 }),
  vector('even', [1, 0, 1], [1, 0], [0, 0, 0, 0, 0, 0], { minP: 1 }),
  vector('few', [0, 0, 1], [0, 0], [7, 7, 7, 7, 7, 7], {
    bias: [
      [4, -100],
      [7, 3.125],
    ],
  }),
  vector('few', [1, 0, 1], [42, 0], [3, 0, 0, 5, 6, 3], {
    bias: [
      [4, -2.5],
      [5, 42.75],
    ],
  }),
  vector('few', [0, 0, 1], [0, 0], [0, 0, 0, 0, 0, 0], { presencePenalty: 1.5, answer: [4] }),
  vector('few', [0, 0, 1], [0, 0], [0, 0, 0, 0, 0, 0], { frequencyPenalty: 0.7, answer: [4, 4, 4] }),
  vector('few', [1, 0, 1], [42, 0], [3, 0, 0, 4, 6, 4], {
    presencePenalty: 0.5,
    frequencyPenalty: 0.3,
    answer: [4, 3, 4, 4, 0],
  }),
  vector('few', [0, 0, 1], [0, 0], [3, 3, 3, 3, 3, 3], { repetitionPenalty: 1.6, prompt: [4, 4], answer: [0] }),
  vector('few', [1, 0, 1], [7, 0], [0, 4, 6, 4, 0, 0], { repetitionPenalty: 1.3, prompt: [4, 1, 0], answer: [3, 3] }),
  vector('few', [1, 4, 0.95], [7, 2], [4, 4, 3, 4, 4, 4], {
    minP: 0.02,
    repetitionPenalty: 0.8,
    frequencyPenalty: -0.5,
    presencePenalty: 2,
    bias: [
      [6, 1.25],
      [2, 2],
    ],
    prompt: [1, 2, 6],
    answer: [2, 2, 6, 0],
  }),
  vector('few', [0, 0, 1], [0, 0], [3, 3, 3, 4, 4, 4], { minTokens: 3, ends: [4, 0] }),
  vector('few', [1, 0, 1], [7, 0], [0, 3, 6, 0, 0, 0], { minTokens: 101, ends: [4] }),
  vector('even', [1, 0, 1], [1, 0], [3, 11, 5, 3, 3, 11], { allowed: [3, 5, 11] }),
  vector('few', [0, 0, 1], [0, 0], [6, 6, 6, 6, 6, 6], { allowed: [6], minTokens: 3, ends: [6] }),
  vector('vocabulary', [1, 0, 1], [3, 0], [20388, 4763, 45677, 28230, 40696, 48813], { minP: 0.3 }),
  vector('vocabulary', [1.5, 500, 0.95], [4, 0], [7897, 7309, 28770, 19223, 47967, 3099], {
    minP: 0.05,
    bias: [
      [1804, -5],
      [40000, 20],
    ],
  }),
  vector('vocabulary', [0.8, 0, 1], [2, 1], [34538, 44177, 35891, 27735, 45240, 42499], {
    repetitionPenalty: 1.2,
    presencePenalty: 0.1,
    frequencyPenalty: 0.2,
    prompt: range(100, 140),
    answer: [1804, 3091, 1804, 28974],
  }),
  vector('vocabulary', [1, 0, 1], [2, 0], [20, 35, 20, 20, 20, 20], { allowed: [...range(16, 40), 49_151] }),
]
