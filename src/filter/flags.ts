/** Adds up how often each rule matched, and tells it as flags. */
import type { FilterFlag } from '../contract/filter-rules.ts'
import type { CompiledRules } from './compile-rules.ts'

export function addCounts(total: Uint32Array, counts: Uint32Array): void {
  for (let rule = 0; rule < counts.length; rule++) total[rule] = (total[rule] ?? 0) + (counts[rule] ?? 0)
}

export function flagsOf({ rules }: CompiledRules, counts: Uint32Array, on: FilterFlag['on']): FilterFlag[] {
  return rules.flatMap(({ name, action }, rule) => {
    const count = counts[rule] ?? 0
    return count === 0 ? [] : [{ rule: name, action, on, count }]
  })
}
