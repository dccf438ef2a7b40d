/** The content filter and moderations. */
import type { FilterRules } from '../contract/filter-rules.ts'
import { type FilterParts, lateFilters } from '../filter/late-filters.ts'
import { storedRules } from '../filter/stored-rules.ts'
import type { Isolate } from './isolate.ts'

/** Tenants whose filter rules are remembered as they are stored: most have some kB, none more than some MB. */
const RULES_REMEMBERED_MAX = 500

/** `filters` is for `chat/complete`. */
export function wireFilters({ env, directory }: Isolate): FilterParts {
  const rulesOf = directory.remember<FilterRules>({
    kind: 'filter',
    load: (tenantId) => storedRules(env.DB, tenantId),
    keysMax: RULES_REMEMBERED_MAX,
  })
  return lateFilters(rulesOf, async () => {
    const [{ compiledSets, tenantFilters }, { tenantModerations }] = await Promise.all([
      import('../filter/tenant-filters.ts'),
      import('../filter/tenant-moderations.ts'),
    ])
    const sets = compiledSets(rulesOf)
    return { filters: tenantFilters(sets), moderations: tenantModerations(sets) }
  })
}
