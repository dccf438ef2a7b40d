/** Rules for tests, with what a schema would add. */

import type { FilterRule } from '../../../src/contract/filter-rules.ts'
import { type CompiledRules, compileRules } from '../../../src/filter/compile-rules.ts'
import { scanText, withSpans } from '../../../src/filter/scan-text.ts'

export type Rule = Partial<FilterRule> & { name?: string }

export function named(rules: readonly Rule[]) {
  return rules.map((rule, index): FilterRule & { name: string } => ({
    name: `rule${index}`,
    action: 'mask',
    on: 'both',
    match: 'auto',
    ...rule,
  }))
}

export function compiled(...rules: Rule[]): CompiledRules {
  const made = compileRules(named(rules), 'output')
  if (!made) throw new Error('No rule is for answers.')
  return made
}

export function filtered(rules: CompiledRules, text: string): string {
  return withSpans(text, scanText(rules, text).spans)
}
