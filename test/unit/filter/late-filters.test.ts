/** The filter that is loaded late filters as if it had been there, and is not loaded for nothing. */
import { expect, test, vi } from 'vitest'
import type { ContentFilter } from '../../../src/chat/ports.ts'
import type { FilterRules } from '../../../src/contract/filter-rules.ts'
import { type FilterParts, lateFilters } from '../../../src/filter/late-filters.ts'

const RULES: FilterRules = { version: 1, rules: [] }
const FILTER: ContentFilter = {
  input: (request) => ({ request, flags: [] }),
  output: (events) => events,
  outputWhole: (events) => ({ events, isBlocked: false }),
}

function late(rules: FilterRules | undefined | Promise<FilterRules | undefined>) {
  const parts: FilterParts = {
    filters: { of: () => FILTER },
    moderations: { check: async () => [{ abuse: true }] },
  }
  const load = vi.fn(async () => parts)
  return { load, ...lateFilters(() => rules, load) }
}

test.each([
  ['at once', undefined],
  ['after a look', Promise.resolve(undefined)],
])('a tenant without rules, known %s, loads nothing', async (_, rules) => {
  const { filters, load } = late(rules)
  expect(await filters.of('a')).toBeUndefined()
  expect(load).not.toHaveBeenCalled()
})

test('a tenant without rules is answered at once', () => {
  expect(late(undefined).filters.of('a')).toBeUndefined()
})

test.each([
  ['at once', RULES],
  ['after a look', Promise.resolve(RULES)],
])('a tenant with rules, known %s, waits for the filter the first time and not again', async (_, rules) => {
  const { filters, load } = late(rules)
  expect(await filters.of('a')).toBe(FILTER)
  expect(filters.of('a')).toBe(FILTER)
  expect(load).toHaveBeenCalledOnce()
})

test('a failure to load refuses that request, and the next one loads again', async () => {
  const { filters, load } = late(RULES)
  load.mockRejectedValueOnce(new Error('gone'))
  await expect(filters.of('a')).rejects.toThrow('gone')
  expect(await filters.of('a')).toBe(FILTER)
})

test('two requests that load at once have the same filters: what is compiled is compiled once', async () => {
  const made: FilterParts[] = []
  const { filters } = lateFilters(
    () => RULES,
    async () => {
      const own: ContentFilter = { ...FILTER }
      const parts = { filters: { of: () => own }, moderations: { check: async () => [] } }
      made.push(parts)
      return parts
    },
  )
  const [one, other] = await Promise.all([filters.of('a'), filters.of('b')])
  expect(made).toHaveLength(2)
  expect(one).toBe(other)
})

test('moderations load it, too', async () => {
  const { moderations, load } = late(undefined)
  expect(await moderations.check('a', [['text']])).toEqual([{ abuse: true }])
  expect(load).toHaveBeenCalledOnce()
})
