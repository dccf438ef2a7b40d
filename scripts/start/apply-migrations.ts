/**
 * Brings the local database up to the files in migrations/ before the Worker starts: the same files and the same table `d1_migrations`
 * as `wrangler d1 migrations apply` uses for a deployment, which takes four seconds of CPU to find that there is nothing to do. This
 * opens workerd's file itself, some milliseconds. Nobody else may have it open: the state folder's lock sees to that.
 */
import { createHash, createHmac } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export type Applied = { kind: 'applied'; names: string[] } | { kind: 'failed'; message: string }

/** As wrangler makes it. */
const TABLE = `CREATE TABLE IF NOT EXISTS d1_migrations(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`

/** Each file in a transaction of its own, in the order of names; those that were applied before are left out. */
export async function applyMigrations(options: {
  migrationsDir: string
  /** wrangler's --persist-to. */
  persistDir: string
  wranglerConfig: string
}): Promise<Applied> {
  // Loaded late: it warns that it is new on the Node that may run other scripts.
  const { DatabaseSync } = await import('node:sqlite')
  const folder = join(options.persistDir, 'v3/d1', D1_OBJECTS)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const db = new DatabaseSync(join(folder, `${databaseFile(databaseId(options.wranglerConfig))}.sqlite`))
  try {
    db.exec(TABLE)
    const done = new Set(
      db
        .prepare('SELECT name FROM d1_migrations')
        .all()
        .map(({ name }) => name),
    )
    const due = readdirSync(options.migrationsDir)
      .filter((name) => name.endsWith('.sql') && !done.has(name))
      .sort()
    for (const name of due) {
      try {
        db.exec('BEGIN')
        db.exec(readFileSync(join(options.migrationsDir, name), 'utf8'))
        db.prepare('INSERT INTO d1_migrations (name) VALUES (?)').run(name)
        db.exec('COMMIT')
      } catch (error) {
        if (db.isTransaction) db.exec('ROLLBACK')
        return { kind: 'failed', message: `migrations/${name} cannot be applied: ${String(error)}` }
      }
    }
    return { kind: 'applied', names: due }
  } finally {
    db.close()
  }
}

function databaseId(wranglerConfig: string): string {
  const id = /^database_id\s*=\s*"([^"]+)"/m.exec(readFileSync(wranglerConfig, 'utf8'))?.[1]
  if (!id) throw new Error(`${wranglerConfig} names no D1 database.`)
  return id
}

/** Miniflare keeps a D1 database in a Durable Object of this class, named by the database's id. */
const D1_OBJECTS = 'miniflare-D1DatabaseObject'

/** The id that workerd gives an object of that name: a keyed hash of it, and a checksum over that. test/e2e/chat-api.test.ts sees that it is right. */
function databaseFile(name: string): string {
  const key = createHash('sha256').update(D1_OBJECTS).digest()
  const hashed = createHmac('sha256', key).update(name).digest().subarray(0, 16)
  const check = createHmac('sha256', key).update(hashed).digest().subarray(0, 16)
  return Buffer.concat([hashed, check]).toString('hex')
}
