import { expect, test } from 'vitest'
import { perplexityOf, WINDOW_TOKENS, windowsOf } from '../../../functions/inference/models/perplexity.ts'

test('windows hold every token once, and a last one of a single token is left out', () => {
  const tokens = Array.from({ length: WINDOW_TOKENS + 3 }, (_, index) => index)
  expect(windowsOf(tokens).map((window) => window.length)).toEqual([WINDOW_TOKENS, 3])
  expect(windowsOf(tokens).flat()).toEqual(tokens)
  expect(windowsOf(tokens.slice(0, WINDOW_TOKENS + 1)).map((window) => window.length)).toEqual([WINDOW_TOKENS])
})

test('a model that finds n tokens equally likely has the perplexity n', () => {
  expect(perplexityOf([1, 2, 3].map(() => Math.log(1 / 8)))).toBeCloseTo(8)
})
