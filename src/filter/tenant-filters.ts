/**
 * The Filters of tenants from their rules, compiled once per isolate and version. A tenant without rules costs one look-up. The first
 * request that sees a version waits for its compilation (docs/performance.md has the time): to go on under the rules before it would
 * let what has been forbidden since pass, in an isolate that was idle for however long.
 */
import type { ContentFilter, FilteredAnswer, Filters, ModelEvent } from '../chat/ports.ts'
import type { FilterFlag, FilterRules } from '../contract/filter-rules.ts'
import { type CompiledRules, compileRules } from './compile-rules.ts'
import { filterInput } from './filter-input.ts'
import { batchFilter, filterOutput } from './filter-output.ts'
import { flagEnds, flaggedEnds } from './flag-ends.ts'

/** In the compiled sets of an isolate together, some 30 MB; the set used longest ago goes first. */
const KEPT_WORDS_MAX = 200_000
/** A set of few words takes memory, too. */
const SET_WORDS = 200

export type CompiledSet = {
  version: number
  words: number
  input: CompiledRules | undefined
  output: CompiledRules | undefined
}

export type CompiledSets = {
  /** Undefined when the tenant has no rules. Synchronous while the rules are known. Rejects with what `rulesOf` rejects with. */
  of(tenantId: string): CompiledSet | undefined | Promise<CompiledSet | undefined>
}

export function compiledSets(
  rulesOf: (tenantId: string) => FilterRules | undefined | Promise<FilterRules | undefined>,
): CompiledSets {
  /** The one used longest ago comes first. */
  const kept = new Map<string, CompiledSet>()
  let keptWords = 0

  function drop(tenantId: string): void {
    keptWords -= kept.get(tenantId)?.words ?? 0
    kept.delete(tenantId)
  }

  function setOf(tenantId: string, rules: FilterRules | undefined): CompiledSet | undefined {
    const known = kept.get(tenantId)
    drop(tenantId)
    if (!rules || rules.rules.length === 0) return undefined
    const set = known?.version === rules.version ? known : compileSet(rules)
    kept.set(tenantId, set)
    keptWords += set.words
    for (const oldest of kept.keys()) {
      if (keptWords <= KEPT_WORDS_MAX || oldest === tenantId) break
      drop(oldest)
    }
    return set
  }

  return {
    of(tenantId) {
      const rules = rulesOf(tenantId)
      return rules instanceof Promise ? rules.then((known) => setOf(tenantId, known)) : setOf(tenantId, rules)
    },
  }
}

/** One compilation serves both directions where every rule does. */
function compileSet({ version, rules }: FilterRules): CompiledSet {
  const input = compileRules(rules, 'input')
  const words = rules.reduce((sum, rule) => sum + (rule.words?.length ?? 0), SET_WORDS)
  return {
    version,
    words,
    input,
    output: rules.every(({ on }) => on === 'both') ? input : compileRules(rules, 'output'),
  }
}

export function tenantFilters(sets: CompiledSets): Filters {
  const made = new WeakMap<CompiledSet, ContentFilter>()
  function filterOf(set: CompiledSet | undefined): ContentFilter | undefined {
    if (!set) return undefined
    const known = made.get(set)
    if (known) return known
    const filter = contentFilter(set)
    made.set(set, filter)
    return filter
  }
  return {
    of(tenantId) {
      const set = sets.of(tenantId)
      return set instanceof Promise ? set.then(filterOf) : filterOf(set)
    },
  }
}

export function contentFilter({ input, output }: Pick<CompiledSet, 'input' | 'output'>): ContentFilter {
  /** What these rules made of answers that are remembered, for as long as they are. */
  const seen = new WeakMap<readonly ModelEvent[], FilteredAnswer>()

  function filteredWhole(events: readonly ModelEvent[], flags: readonly FilterFlag[]): FilteredAnswer {
    if (!output) return { events: flags.length === 0 ? events : flaggedEnds(events, flags), isBlocked: false }
    const filter = batchFilter(output, flags)
    const allowed = filter.push(events)
    return { events: allowed, isBlocked: filter.isBlocked() }
  }

  return {
    input: (request) => (input ? filterInput(input, request) : { request, flags: [] }),
    output(events, blocked, flags) {
      // Without rules for answers there may still be something to tell of the request.
      if (output) return filterOutput(output, events, { blocked, flags })
      return flags.length === 0 ? events : flagEnds(events, flags)
    },
    outputWhole(events, flags) {
      if (flags.length > 0) return filteredWhole(events, flags)
      const known = seen.get(events)
      if (known) return known
      const made = filteredWhole(events, flags)
      seen.set(events, made)
      return made
    },
  }
}
