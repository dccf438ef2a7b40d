/** What an isolate remembers of who read what. */
import { expect, test } from 'vitest'
import { prefixMemory } from '../../../src/routing/choose/prefix-memory.ts'

test('the last one to read a beginning is remembered', () => {
  const memory = prefixMemory()
  memory.remember(['long', 'short'], 'a')
  memory.remember(['other', 'short'], 'b')
  expect(['long', 'short', 'other', 'none'].map(memory.holderOf)).toEqual(['a', 'b', 'b', undefined])
})

test('of many beginnings the last are remembered, at least half of the bound, and never more than it and one request', () => {
  const memory = prefixMemory(100)
  for (let count = 1; count <= 1_000; count++) {
    memory.remember([`p${count}`], 'a')
    const known = Array.from({ length: count }, (_, at) => memory.holderOf(`p${count - at}`) !== undefined)
    expect(known.slice(0, 50).every((isKnown) => isKnown)).toBe(true)
    expect(known.filter((isKnown) => isKnown).length).toBeLessThanOrEqual(101)
  }
})

test('what is asked for again and again is never forgotten', () => {
  const memory = prefixMemory(100)
  for (let count = 1; count <= 1_000; count++) {
    memory.remember([`p${count}`, 'system'], 'a')
    expect(memory.holderOf('system')).toBe('a')
  }
})
