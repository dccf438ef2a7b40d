/** What the request path reads of a tenant's filter rules in D1. Apart from the store (filter-store.ts), which needs the filter itself. */
import type { FilterRule, FilterRules } from '../contract/filter-rules.ts'

/** Undefined when the tenant has none. Raw failures: the directory decides what serves while D1 is down. */
export async function storedRules(db: D1Database, tenantId: string): Promise<FilterRules | undefined> {
  const results = await db.batch([
    db.prepare('SELECT version FROM filter_version WHERE tenant_id = ?').bind(tenantId),
    db.prepare('SELECT name, body FROM filter_rule WHERE tenant_id = ? ORDER BY name').bind(tenantId),
  ])
  // Sound: the columns that were asked for.
  const [version] = (results[0]?.results ?? []) as { version: number }[]
  const rows = (results[1]?.results ?? []) as { name: string; body: string }[]
  if (!version || rows.length === 0) return undefined
  return { version: version.version, rules: rows.map(({ name, body }) => ({ name, ...ruleOf(body) })) }
}

/** Sound: only rules that the schema let in are stored. */
export function ruleOf(body: string): FilterRule {
  return JSON.parse(body) as FilterRule
}
