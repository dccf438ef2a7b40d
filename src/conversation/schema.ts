/** The tables of one conversation, and how older objects get them. docs/storage.md describes each column. */

/** Each entry takes the object from the version that is its index to the next. Entries are never changed, only added. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE item (
    seq INTEGER PRIMARY KEY,
    item_id TEXT NOT NULL UNIQUE,
    parent_id TEXT,
    kind TEXT NOT NULL,
    body BLOB NOT NULL,
    schema_version INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX item_by_kind ON item (kind, seq);
  CREATE TABLE conversation (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    owner TEXT,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    item_count INTEGER NOT NULL,
    body_bytes INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE model_context (
    model TEXT PRIMARY KEY,
    context_tokens INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
]

/** 0 for an object that holds nothing. Writes nothing, so that asking for a conversation that is not there leaves none behind. */
export function schemaVersion(sql: SqlStorage): number {
  const table = sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migration'").toArray()
  if (table.length === 0) return 0
  return sql.exec<{ version: number }>('SELECT coalesce(max(version), 0) AS version FROM migration').one().version
}

/** Brings the tables to the newest version, in one transaction. */
export function migrate(storage: DurableObjectStorage): void {
  const { sql } = storage
  const from = schemaVersion(sql)
  if (from === MIGRATIONS.length) return
  if (from > MIGRATIONS.length) throw new Error(`The object was written by a later release (schema ${from})`)
  storage.transactionSync(() => {
    sql.exec('CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY) STRICT')
    MIGRATIONS.slice(from).forEach((statements, index) => {
      sql.exec(statements)
      sql.exec('INSERT INTO migration VALUES (?)', from + index + 1)
    })
  })
}
