/** Rules are compiled once per tenant and version. */
import { expect, test } from 'vitest'
import type { FilterRules } from '../../../src/contract/filter-rules.ts'
import { compiledSets, tenantFilters } from '../../../src/filter/tenant-filters.ts'
import { named, type Rule } from './rules.ts'

const rulesOf = (version: number, ...rules: Rule[]): FilterRules => ({ version, rules: named(rules) })

function filtersOver(load: (tenantId: string) => FilterRules | undefined | Promise<FilterRules | undefined>) {
  const sets = compiledSets(load)
  return { sets, filters: tenantFilters(sets) }
}

function masked(filter: Awaited<ReturnType<ReturnType<typeof tenantFilters>['of']>>, prompt: string): unknown {
  return filter?.input({ kind: 'text', body: { model: 'm', prompt } }).request.body.prompt
}

test('a tenant without rules has no filter, and is told so at once', () => {
  const { filters } = filtersOver((tenantId) => (tenantId === 'empty' ? rulesOf(1) : undefined))
  expect([filters.of('none'), filters.of('empty')]).toEqual([undefined, undefined])
})

test('known rules make the very same filter, at once; those that must be loaded make a promise', async () => {
  const known = filtersOver(() => rulesOf(1, { words: ['ass'] }))
  expect(known.filters.of('a')).toBe(known.filters.of('a'))
  expect(await filtersOver(async () => rulesOf(1, { words: ['ass'] })).filters.of('a')).toBeDefined()
  await expect(filtersOver(() => Promise.reject(new Error('down'))).filters.of('a')).rejects.toThrow('down')
})

test('a change holds from the very next request; rules that are gone are gone at once', () => {
  let rules: FilterRules | undefined = rulesOf(1, { words: ['ass'] })
  const { filters } = filtersOver(() => rules)
  const ask = () => masked(filters.of('a') as never, 'ass arse')
  expect(ask()).toBe('*** arse')
  rules = rulesOf(2, { words: ['arse'] })
  expect([ask(), ask()]).toEqual(['ass ****', 'ass ****'])
  rules = undefined
  expect(filters.of('a')).toBeUndefined()
})

test('rules that are read again in the same version are not compiled again', () => {
  const { filters } = filtersOver(() => rulesOf(1, { words: ['ass'] }))
  expect(filters.of('a')).toBe(filters.of('a'))
  let version = 0
  const changing = filtersOver(() => rulesOf(++version, { words: ['ass'] })).filters
  expect(changing.of('a')).not.toBe(changing.of('a'))
})

test('tenants have their own rules', () => {
  const { filters } = filtersOver((tenantId) => rulesOf(1, { words: [tenantId] }))
  expect(masked(filters.of('foo') as never, 'foo bar')).toBe('*** bar')
  expect(masked(filters.of('bar') as never, 'foo bar')).toBe('foo ***')
})

test('a rule may be for one side only', () => {
  const { sets } = filtersOver(() => rulesOf(1, { words: ['a'], on: 'input' }, { words: ['b'], on: 'output' }))
  const set = sets.of('a') as Exclude<ReturnType<typeof sets.of>, Promise<unknown>>
  expect([set?.input?.rules.length, set?.output?.rules.length]).toEqual([1, 1])
})

test('the sets of an isolate have a bound together, and the one used longest ago goes', () => {
  const words = Array.from({ length: 90_000 }, (_, index) => `w${index}`)
  const { filters } = filtersOver((tenantId) => rulesOf(1, { words: tenantId === 'small' ? ['x'] : words }))
  const [first, second, small] = [filters.of('first'), filters.of('second'), filters.of('small')]
  expect([filters.of('first'), filters.of('small')]).toEqual([first, small])
  filters.of('third')
  expect(filters.of('small')).toBe(small)
  expect(filters.of('second')).not.toBe(second)
})
