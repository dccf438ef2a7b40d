import { expect, test } from 'vitest'
import { planMemory } from '../../../functions/inference/engine/memory-plan.ts'

const MB = 2 ** 20
const GB = 1_024 * MB
const auto = { slots: null, prefixCacheMb: null }

test('slots are 2 to 16, by memory, and the cache gets half of what rows leave', () => {
  const rowBytes = 180 * MB
  const weightsBytes = 100 * MB
  const plan = (availableBytes: number) => planMemory(auto, { availableBytes, weightsBytes, rowBytes })
  expect(plan(64 * GB)).toEqual({ slots: 16, prefixCacheBytes: 4 * GB })
  expect(plan(2 * GB)).toEqual({ slots: 5, prefixCacheBytes: 474 * MB })
  expect(plan(300 * MB)).toEqual({ slots: 2, prefixCacheBytes: 0 })
})

test('what was asked for is given, whatever the memory', () => {
  const memory = { availableBytes: 300 * MB, weightsBytes: 100 * MB, rowBytes: 180 * MB }
  expect(planMemory({ slots: 40, prefixCacheMb: 512 }, memory)).toEqual({ slots: 40, prefixCacheBytes: 512 * MB })
  expect(planMemory({ slots: 1, prefixCacheMb: 0 }, memory)).toEqual({ slots: 1, prefixCacheBytes: 0 })
})
