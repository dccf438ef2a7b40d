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
}

const vector = (
  logits: Vector['logits'],
  [temperature, topK, topP]: readonly [number, number, number],
  [seed, choice]: readonly [number, number],
  tokens: readonly number[],
): Vector => ({ logits, temperature, topK, topP, seed, choice, tokens })

/** logits, [temperature, top_k, top_p], [seed, choice], tokens */
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
]
