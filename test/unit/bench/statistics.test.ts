import { expect, test } from 'vitest'
import { alternations } from '../../bench/measure/alternate.ts'
import { median, medianRatio, relativeSpread, round } from '../../bench/measure/statistics.ts'

test('a median is the middle of an odd number of values and half-way between the two middle ones of an even number', () => {
  expect(median([9, 1, 100])).toBe(9)
  expect(median([4, 1, 100, 6])).toBe(5)
  expect(median([7])).toBe(7)
})

test('a figure that was never measured is an error, not a number', () => {
  expect(() => median([])).toThrow('no values')
  expect(() => medianRatio([1, 2], [1])).toThrow('2 values beside 1')
})

test('a ratio compares what was measured side by side, so that a slow minute for both does not move it', () => {
  // Both were half as fast in the third alternation. The ratio of the medians would say 2.
  expect(medianRatio([20, 60, 15], [10, 20, 5])).toBe(3)
})

test('one outlier does not widen the spread', () => {
  expect(relativeSpread([100, 100, 100, 100, 5_000])).toBe(0)
  expect(relativeSpread([90, 100, 110, 95, 105])).toBeCloseTo(0.05)
})

test('figures keep three digits, and whole numbers above a thousand all of theirs', () => {
  expect(round(0.123456)).toBe(0.123)
  expect(round(12.3456)).toBe(12.3)
  expect(round(12_345.6)).toBe(12_346)
})

test('every contender runs once in every alternation and each of them goes first in turn', () => {
  const rounds = alternations(['a', 'b', 'c'], 4)
  expect(rounds.map((order) => order.join(''))).toEqual(['abc', 'bca', 'cab', 'abc'])
})
