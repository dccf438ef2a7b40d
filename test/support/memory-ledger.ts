/** The ledger's tables in Node's own SQLite: the same statements as in a Durable Object. */
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { LedgerSql, Row } from '../../src/budgets/ledger-schema.ts'

export function memoryLedgerSql(): LedgerSql {
  const database = new DatabaseSync(':memory:')
  const prepared = new Map<string, StatementSync>()
  return {
    exec(query, ...bindings) {
      let statement = prepared.get(query)
      if (!statement) {
        statement = database.prepare(query)
        prepared.set(query, statement)
      }
      // Sound: the tables hold text and numbers only.
      return statement.all(...bindings) as Row[]
    },
    transaction(run) {
      database.exec('BEGIN')
      try {
        const result = run()
        database.exec('COMMIT')
        return result
      } catch (thrown) {
        database.exec('ROLLBACK')
        throw thrown
      }
    },
  }
}
