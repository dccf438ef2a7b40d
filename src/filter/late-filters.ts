/** The filter loaded for the first tenant who has rules: most isolates see none, and its tables cost as much as a first answer. */
import type { ContentFilter, Filters } from '../chat/ports.ts'
import type { FilterRules } from '../contract/filter-rules.ts'
import type { Moderations } from '../http/ports.ts'

export type FilterParts = { filters: Filters; moderations: Moderations }

/** `rulesOf` as for compiledSets, whose parts `load` makes from it. A failure to load is a failure of that one request, which is refused: closed. */
export function lateFilters(
  rulesOf: (tenantId: string) => FilterRules | undefined | Promise<FilterRules | undefined>,
  load: () => Promise<FilterParts>,
): FilterParts {
  let parts: FilterParts | undefined
  // Not the promise of them: one request cannot wait for what another one began. Nor twice: what is compiled is remembered in them.
  async function loaded(): Promise<FilterParts> {
    const made = parts ?? (await load())
    parts ??= made
    return parts
  }

  async function filterOf(tenantId: string): Promise<ContentFilter | undefined> {
    return (await loaded()).filters.of(tenantId)
  }

  return {
    filters: {
      of(tenantId) {
        if (parts) return parts.filters.of(tenantId)
        const rules = rulesOf(tenantId)
        if (rules instanceof Promise) return rules.then((known) => (known ? filterOf(tenantId) : undefined))
        return rules ? filterOf(tenantId) : undefined
      },
    },
    moderations: {
      check: async (tenantId, inputs) => (await loaded()).moderations.check(tenantId, inputs),
    },
  }
}
