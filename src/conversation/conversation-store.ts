/** The rows of one conversation: what is read and written, and the bounds. Knows nothing of models, callers or alarms. */
import { newItemId } from './conversation-id.ts'
import { decodeItem, encodeItem, type Item, type ItemContent, type ItemRow } from './item-codec.ts'
import { migrate, schemaVersion } from './schema.ts'

/** Years of daily talk. The rows of both bounds are read in well under a second. */
export const ITEMS_MAX = 10_000
/** Far below the 10 GB of an object; a conversation this long is a mistake or an attack. */
export const BODY_BYTES_MAX = 64 * 1_048_576

/** A row may have 2 MB; JSON writes a control character as six bytes, so 262,144 of them are 1.6 MB. */
export const ROW_BYTES_MAX = 1_900_000

/**
 * How much history is read for one turn, in bytes of JSON: some 500,000 tokens of text. Together with the longest message it stays
 * under the 4 MiB that the inference server takes as a body.
 */
export const HISTORY_BYTES_MAX = 2 * 1_048_576
export const HISTORY_ITEMS_MAX = 4_000

export type ConversationRow = { owner: string | undefined; expiresAtMs: number }

export type ConversationStore = {
  /** Undefined where no conversation was ever started, or it was deleted. */
  conversation(): ConversationRow | undefined
  create(owner: string | undefined, nowMs: number, expiresAtMs: number): void
  /** True when no further turn may be added. */
  full(): boolean
  /** Commits one item after the last one and moves the expiry. */
  append(content: ItemContent, expiresAtMs: number): Item
  last(): Item | undefined
  lastOfKind(kind: Item['kind']): Item | undefined
  systemItems(): Item[]
  /** Items from `fromSeq` up to `beforeSeq` (not included) in order; the oldest are left out beyond HISTORY_BYTES_MAX and HISTORY_ITEMS_MAX. */
  history(fromSeq: number, beforeSeq: number): Item[]
  /** The context length of a model as it was last told, in tokens. */
  contextTokens(model: string): number | undefined
  setContextTokens(model: string, tokens: number): void
}

export function conversationStore(storage: DurableObjectStorage): ConversationStore {
  const { sql } = storage
  let ready = schemaVersion(sql) > 0
  if (ready) migrate(storage)

  function row() {
    if (!ready) return undefined
    return sql
      .exec<{ owner: string | null; expires_at_ms: number; item_count: number; body_bytes: number }>(
        'SELECT owner, expires_at_ms, item_count, body_bytes FROM conversation',
      )
      .toArray()[0]
  }

  function firstItem(condition: string, ...bindings: SqlStorageValue[]): Item | undefined {
    const found = sql.exec<ItemRow>(`SELECT * FROM item ${condition} ORDER BY seq DESC LIMIT 1`, ...bindings).toArray()
    return found[0] && decodeItem(found[0])
  }

  return {
    conversation() {
      const found = row()
      return found && { owner: found.owner ?? undefined, expiresAtMs: found.expires_at_ms }
    },

    create(owner, nowMs, expiresAtMs) {
      migrate(storage)
      ready = true
      sql.exec('INSERT INTO conversation VALUES (1, ?, ?, ?, 0, 0)', owner ?? null, nowMs, expiresAtMs)
    },

    full() {
      const found = row()
      // Two items a turn: the user's and its answer or mark.
      return found !== undefined && (found.item_count + 2 > ITEMS_MAX || found.body_bytes >= BODY_BYTES_MAX)
    },

    append(content, expiresAtMs) {
      const { kind, body, schemaVersion: version } = encodeItem(content)
      if (body.byteLength > ROW_BYTES_MAX) throw new Error(`An item of ${body.byteLength} bytes is too large for a row`)
      return storage.transactionSync(() => {
        const parentId = firstItem('')?.itemId ?? null
        const itemId = newItemId()
        const { seq } = sql
          .exec<{ seq: number }>(
            'INSERT INTO item (item_id, parent_id, kind, body, schema_version) VALUES (?, ?, ?, ?, ?) RETURNING seq',
            itemId,
            parentId,
            kind,
            body,
            version,
          )
          .one()
        sql.exec(
          'UPDATE conversation SET expires_at_ms = ?, item_count = item_count + 1, body_bytes = body_bytes + ?',
          expiresAtMs,
          body.byteLength,
        )
        return { ...content, seq, itemId, parentId }
      })
    },

    last: () => firstItem(''),
    lastOfKind: (kind) => firstItem('WHERE kind = ?', kind),

    systemItems() {
      return sql.exec<ItemRow>("SELECT * FROM item WHERE kind = 'system' ORDER BY seq").toArray().map(decodeItem)
    },

    history(fromSeq, beforeSeq) {
      const items: Item[] = []
      let bytes = 0
      const newestFirst = sql.exec<ItemRow>(
        'SELECT * FROM item WHERE seq >= ? AND seq < ? ORDER BY seq DESC LIMIT ?',
        fromSeq,
        beforeSeq,
        HISTORY_ITEMS_MAX,
      )
      for (const found of newestFirst) {
        bytes += found.body.byteLength
        if (bytes > HISTORY_BYTES_MAX) break
        items.push(decodeItem(found))
      }
      return items.reverse()
    },

    contextTokens(model) {
      return sql
        .exec<{ context_tokens: number }>('SELECT context_tokens FROM model_context WHERE model = ?', model)
        .toArray()[0]?.context_tokens
    },

    setContextTokens(model, tokens) {
      sql.exec('INSERT OR REPLACE INTO model_context VALUES (?, ?)', model, tokens)
    },
  }
}
