/** The tables of a tenant's ledger, and the little of SQL storage that it needs: a Durable Object's fits, and so does Node's in tests. */

export type Row = Record<string, string | number | null>

export type LedgerSql = {
  /** Rows of the answer. */
  exec(query: string, ...bindings: (string | number | null)[]): Row[]
  /** All of it or nothing. */
  transaction<Result>(run: () => Result): Result
}

export function createLedgerTables(sql: LedgerSql): void {
  for (const table of TABLES) sql.exec(table)
}

const TABLES = [
  // One budget in one period, whether or not a budget bounds it today.
  `CREATE TABLE IF NOT EXISTS account (
    id TEXT PRIMARY KEY, ends_at_ms INTEGER NOT NULL,
    spent INTEGER NOT NULL, leased INTEGER NOT NULL, presumed INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`,
  // What an isolate may spend without asking. Presumed: it fell silent with it, so that it counts as spent until it tells otherwise.
  `CREATE TABLE IF NOT EXISTS lease (
    isolate_id TEXT NOT NULL, account_id TEXT NOT NULL, amount INTEGER NOT NULL, presumed INTEGER NOT NULL,
    PRIMARY KEY (isolate_id, account_id)
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS lease_of_account ON lease (account_id)`,
  // The last report of each isolate and what it was answered, for when it comes again.
  `CREATE TABLE IF NOT EXISTS isolate (
    id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, heard_at_ms INTEGER NOT NULL, answer TEXT NOT NULL
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS isolate_heard ON isolate (heard_at_ms)`,
  'CREATE TABLE IF NOT EXISTS budget (id TEXT PRIMARY KEY, "limit" INTEGER NOT NULL) STRICT, WITHOUT ROWID',
  'CREATE TABLE IF NOT EXISTS rules (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL) STRICT',
  // Usage that the database does not have yet, in the order in which it was told.
  'CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, entry TEXT NOT NULL) STRICT',
]
