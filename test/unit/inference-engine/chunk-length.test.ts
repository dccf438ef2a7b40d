import { expect, test } from 'vitest'
import { CHUNK_TOKENS_MIN, chunkLength } from '../../../functions/inference/engine/chunk-length.ts'

test('however a prompt is cut, no run computes one token alone, nor one in its last tile of 128', () => {
  const wrong: number[][] = []
  for (let longest = CHUNK_TOKENS_MIN; longest < 300; longest++) {
    for (let left = 2; left < 600; left++) {
      const count = chunkLength(left, longest)
      const isLonely = count < 2 || count % 128 === 1 || left - count === 1
      if (isLonely || count > Math.min(left, longest)) wrong.push([left, longest, count])
    }
  }
  expect(wrong).toEqual([])
})
