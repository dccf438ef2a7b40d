/** The port Models over what the isolate remembers of the routing document. */
import type { ListedModel, Models } from '../chat/ports.ts'
import type { RoutingConfig } from '../contract/routing-config.ts'
import type { StoredRouting } from './routing-store.ts'
import type { KnownModel, RoutingTable, RoutingTables } from './routing-table.ts'

/** For `directory.remember`: makes each version once, and `ofSettings` where nothing was ever applied. */
export function preparedTables(
  tables: RoutingTables,
  ofSettings: RoutingConfig,
): (stored: StoredRouting | undefined) => RoutingTable {
  let last: { document: string | undefined; table: RoutingTable } | undefined
  return (stored) => {
    // By its text, not by its number alone: a database that was restored gives numbers anew.
    if (last && last.document === stored?.document && last.table.number === (stored?.number ?? 0)) return last.table
    // Sound: only what was checked is stored.
    const config = stored ? (JSON.parse(stored.document) as RoutingConfig) : ofSettings
    last = { document: stored?.document, table: tables(stored?.number ?? 0, config) }
    return last.table
  }
}

/**
 * Open: where nobody can tell what holds now, the last that this isolate knew goes on. An answer from an endpoint of a minute ago is
 * better than none, and nobody gets in by it.
 */
export function lastGoodTable(
  recall: () => RoutingTable | Promise<RoutingTable>,
): (() => RoutingTable | Promise<RoutingTable>) & { last(): RoutingTable | undefined } {
  let last: RoutingTable | undefined
  const keep = (table: RoutingTable) => {
    last = table
    return table
  }
  const orLast = (thrown: unknown) => {
    if (last === undefined) throw thrown
    return last
  }
  const table = () => {
    const known = recall()
    return known instanceof Promise ? known.then(keep).catch(orLast) : keep(known)
  }
  return Object.assign(table, { last: () => last })
}

/** Synchronous while the isolate knows the table. Rejects with store_unavailable while it has never known one. */
export function registeredModels(table: ReturnType<typeof lastGoodTable>): Models {
  function withTable<Value>(use: (table: RoutingTable) => Value): Value | Promise<Value> {
    const known = table()
    return known instanceof Promise ? known.then(use) : use(known)
  }

  return {
    routeOf: (alias, tenantId) =>
      withTable(({ models }) => {
        const known = models.get(alias)
        return known && isFor(known, tenantId) ? known.route : undefined
      }),
    list: (tenantId) =>
      withTable(({ models }): readonly ListedModel[] =>
        // What is disabled everywhere is still an alias, whose requests are told to come again; it is not usable now.
        [...models.values()]
          .filter((known) => isFor(known, tenantId) && known.route.targets.length > 0)
          .map(({ listed }) => listed),
      ),
    isKnown: (alias) => table.last()?.models.has(alias) ?? false,
  }
}

function isFor({ tenants }: KnownModel, tenantId: string | undefined): boolean {
  return tenants === undefined || tenantId === undefined || tenants.has(tenantId)
}
