/** Filter rules in D1 (migrations/0006_filters.sql). Each write also says in `change` that isolates must read again. */
import { RULES_MAX, WORDS_MAX } from '../contract/filter-bounds.ts'
import type { FilterRules } from '../contract/filter-rules.ts'
import type { ExpectedVersion, FilterRuleStore } from '../http/ports.ts'
import { whileStoreAnswers } from '../while-store-answers.ts'
import { isFilterable } from './compile-rules.ts'
import { ruleOf, storedRules } from './stored-rules.ts'

type Row = { name: string; version: number; body: string; word_count: number; updated_at_ms: number }

export type FilterStore = FilterRuleStore & {
  /** Undefined when the tenant has none. */
  rulesOf(tenantId: string): Promise<FilterRules | undefined>
}

type Options = {
  db: D1Database
  now: () => number
  /** Called after a commit; see src/directory/. */
  changed: () => Promise<void>
}

export function filterStore({ db, now, changed }: Options): FilterStore {
  const rowOf = (tenantId: string, name: string) =>
    db
      .prepare(
        'SELECT name, version, body, word_count, updated_at_ms FROM filter_rule WHERE tenant_id = ? AND name = ?',
      )
      .bind(tenantId, name)

  /** The write, between the version before it and the note after it, in one transaction. Whether it was done. */
  async function write(tenantId: string, name: string, statement: D1PreparedStatement): Promise<boolean> {
    const results = await whileStoreAnswers(
      db.batch([
        db
          .prepare(
            'INSERT INTO filter_version (tenant_id, version) VALUES (?, 1) ON CONFLICT DO UPDATE SET version = version + 1',
          )
          .bind(tenantId),
        statement,
        db
          .prepare("INSERT INTO change (kind, tenant_id, subject, at_ms) SELECT 'filter', ?, ?, ? WHERE changes() > 0")
          .bind(tenantId, name, now()),
      ]),
    )
    await changed()
    return (results[1]?.meta.changes ?? 0) > 0
  }

  return {
    rulesOf: (tenantId) => storedRules(db, tenantId),

    async list(tenantId, { limit, after = '' }) {
      // Words may be a megabyte a rule, and are not in a list.
      const { results } = await whileStoreAnswers(
        db
          .prepare(
            `SELECT name, version, json_remove(body, '$.words') AS body, word_count, updated_at_ms FROM filter_rule
             WHERE tenant_id = ? AND name > ? ORDER BY name LIMIT ?`,
          )
          .bind(tenantId, after, limit + 1)
          .all<Row>(),
      )
      const data = results.slice(0, limit).map((row) => ({
        name: row.name,
        ...ruleOf(row.body),
        version: row.version,
        wordCount: row.word_count,
        updatedAtMs: row.updated_at_ms,
      }))
      return { data, hasMore: results.length > limit }
    },

    async get(tenantId, name) {
      const row = await whileStoreAnswers(rowOf(tenantId, name).first<Row>())
      return row
        ? { name: row.name, version: row.version, updatedAtMs: row.updated_at_ms, rule: ruleOf(row.body) }
        : undefined
    },

    async put(tenantId, name, rule, expected) {
      const words = rule.words?.length ?? 0
      const { condition, values } = conditionOf(expected, '?6')
      const isStored = await write(
        tenantId,
        name,
        db
          .prepare(
            `INSERT INTO filter_rule (tenant_id, name, version, body, word_count, updated_at_ms)
             SELECT ?1, ?2, (SELECT version FROM filter_version WHERE tenant_id = ?1), ?3, ?4, ?5
             WHERE ${condition}
               AND (SELECT COUNT(*) FROM filter_rule WHERE tenant_id = ?1 AND name <> ?2) < ${RULES_MAX}
               AND (SELECT COALESCE(SUM(word_count), 0) FROM filter_rule WHERE tenant_id = ?1 AND name <> ?2) + ?4 <= ${WORDS_MAX}
             ON CONFLICT (tenant_id, name) DO UPDATE SET version = excluded.version, body = excluded.body,
               word_count = excluded.word_count, updated_at_ms = excluded.updated_at_ms`,
          )
          .bind(tenantId, name, JSON.stringify(rule), words, now(), ...values),
      )
      const row = await whileStoreAnswers(rowOf(tenantId, name).first<Row>())
      if (isStored && row) return { outcome: 'stored', version: row.version, updatedAtMs: row.updated_at_ms }
      const isStale = expected === 'none' ? row !== null : expected !== 'any' && row?.version !== expected
      return { outcome: isStale ? 'stale' : 'full' }
    },

    unusableWord({ words = [] }) {
      const index = words.findIndex((word) => !isFilterable(word))
      return index < 0 ? undefined : index
    },

    async delete(tenantId, name, expected) {
      const { condition, values } = conditionOf(expected, '?3')
      const isDeleted = await write(
        tenantId,
        name,
        db
          .prepare(`DELETE FROM filter_rule WHERE tenant_id = ?1 AND name = ?2 AND ${condition}`)
          .bind(tenantId, name, ...values),
      )
      if (isDeleted) return 'deleted'
      return (await whileStoreAnswers(rowOf(tenantId, name).first<Row>())) ? 'stale' : 'missing'
    },
  }
}

/** Over ?1, the tenant, and ?2, the name; the version comes as the next parameter. */
function conditionOf(expected: ExpectedVersion, next: string) {
  const same = 'SELECT 1 FROM filter_rule WHERE tenant_id = ?1 AND name = ?2'
  if (expected === 'any') return { condition: 'TRUE', values: [] }
  if (expected === 'none') return { condition: `NOT EXISTS (${same})`, values: [] }
  return { condition: `EXISTS (${same} AND version = ${next})`, values: [expected] }
}
