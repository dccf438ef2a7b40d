/** Which categories of a tenant's rules texts fall under, whatever the rules would do about it, and on whichever side. */
import type { ModerationVerdict } from '../contract/moderation.ts'
import type { Moderations } from '../http/ports.ts'
import type { CompiledRules } from './compile-rules.ts'
import { filterTexts } from './filter-texts.ts'
import type { CompiledSet, CompiledSets } from './tenant-filters.ts'

export function tenantModerations(sets: CompiledSets): Moderations {
  return {
    async check(tenantId, inputs) {
      const set = await sets.of(tenantId)
      return inputs.map((texts) => verdict(set, texts))
    },
  }
}

function verdict(set: CompiledSet | undefined, texts: readonly string[]): ModerationVerdict {
  const found: ModerationVerdict = {}
  for (const rules of new Set([set?.input, set?.output])) if (rules) add(found, rules, texts)
  return found
}

function add(found: ModerationVerdict, rules: CompiledRules, texts: readonly string[]): void {
  const { counts } = filterTexts(rules, texts)
  for (const [rule, { category }] of rules.rules.entries()) found[category] = found[category] || (counts[rule] ?? 0) > 0
}
