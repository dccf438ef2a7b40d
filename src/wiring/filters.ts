/** The content filter and moderations. */
import type { Filters } from '../chat/ports.ts'
import type { FilterRules } from '../contract/filter-rules.ts'
import { filterStore } from '../filter/filter-store.ts'
import { compiledSets, tenantFilters } from '../filter/tenant-filters.ts'
import { tenantModerations } from '../filter/tenant-moderations.ts'
import type { RequestPorts } from '../http/ports.ts'
import type { Isolate } from './isolate.ts'

/** Tenants whose filter rules are remembered as they are stored: most have some kB, none more than some MB. */
const RULES_REMEMBERED_MAX = 500

type FilterPorts = Pick<RequestPorts, 'moderations'> & { filters: Filters }

/** `filters` is for `chat/complete`. */
export function wireFilters({ directory, stored }: Isolate): FilterPorts {
  const sets = compiledSets(
    directory.remember<FilterRules>({
      kind: 'filter',
      load: filterStore(stored).rulesOf,
      keysMax: RULES_REMEMBERED_MAX,
    }),
  )
  return { filters: tenantFilters(sets), moderations: tenantModerations(sets) }
}
