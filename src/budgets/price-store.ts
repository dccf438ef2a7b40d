/** Prices in D1. A version never changes: what an answer cost can be reckoned again for ever. */
import type { PageRequest, PriceRecord } from '../http/ports.ts'
import type { Price } from './price.ts'

export type PriceStore = ReturnType<typeof priceStore>

const COLUMNS = 'model, version, input, cached_input, output, since_ms'

export function priceStore(options: { db: D1Database; now: () => number; changed: () => Promise<void> }) {
  const { db, now, changed } = options
  const latest = 'version = (SELECT max(version) FROM price AS newer WHERE newer.model = price.model)'
  return {
    /** Those that hold. */
    async current(): Promise<Price[]> {
      const { results } = await db.prepare(`SELECT ${COLUMNS} FROM price WHERE ${latest}`).all<Row>()
      return results.map(priceOf)
    },

    async list(page: PageRequest) {
      const { results } = await db
        .prepare(`SELECT ${COLUMNS} FROM price WHERE ${latest} AND model > ? ORDER BY model LIMIT ?`)
        .bind(page.after ?? '', page.limit + 1)
        .all<Row>()
      return { data: results.slice(0, page.limit).map(recordOf), hasMore: results.length > page.limit }
    },

    /** Newest first. */
    async versions(model: string, page: PageRequest) {
      const { results } = await db
        .prepare(`SELECT ${COLUMNS} FROM price WHERE model = ? AND version < ? ORDER BY version DESC LIMIT ?`)
        .bind(model, Number(page.after ?? Number.MAX_SAFE_INTEGER), page.limit + 1)
        .all<Row>()
      return { data: results.slice(0, page.limit).map(recordOf), hasMore: results.length > page.limit }
    },

    /** A new version, which holds from now on for answers that begin. */
    async put(model: string, price: { input: number; cachedInput: number; output: number }): Promise<PriceRecord> {
      const [, , stored] = await db.batch<Row>([
        db
          .prepare(
            `INSERT INTO price (${COLUMNS})
             SELECT ?1, coalesce((SELECT max(version) FROM price WHERE model = ?1), 0) + 1, ?2, ?3, ?4, ?5`,
          )
          .bind(model, price.input, price.cachedInput, price.output, now()),
        db.prepare("INSERT INTO change (kind, tenant_id, subject, at_ms) VALUES ('price', '', '', ?)").bind(now()),
        db.prepare(`SELECT ${COLUMNS} FROM price WHERE model = ? ORDER BY version DESC LIMIT 1`).bind(model),
      ])
      await changed()
      const row = stored?.results[0]
      if (!row) throw new Error('A price that was just written is not there.')
      return recordOf(row)
    },
  }
}

type Row = {
  model: string
  version: number
  input: number
  cached_input: number
  output: number
  since_ms: number
}

function priceOf({ model, version, input, cached_input, output }: Row): Price {
  return { model, version, input, cachedInput: cached_input, output }
}

function recordOf(row: Row): PriceRecord {
  return { ...priceOf(row), sinceMs: row.since_ms }
}
