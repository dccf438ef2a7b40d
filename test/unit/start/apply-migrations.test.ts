/** The local database before the Worker starts: every file once, and none by half. */
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { applyMigrations } from '../../../scripts/start/apply-migrations.ts'

const ROOT = join(import.meta.dirname, '../../..')
let folder: string
let options: { migrationsDir: string; persistDir: string; wranglerConfig: string }

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'perigee-migrations-'))
  options = {
    migrationsDir: join(folder, 'migrations'),
    persistDir: join(folder, 'worker'),
    wranglerConfig: join(ROOT, 'wrangler.toml'),
  }
  cpSync(join(ROOT, 'migrations'), options.migrationsDir, { recursive: true })
})
afterEach(() => rmSync(folder, { recursive: true }))

function database(): DatabaseSync {
  const objects = join(options.persistDir, 'v3/d1/miniflare-D1DatabaseObject')
  const [file] = readdirSync(objects)
  return new DatabaseSync(join(objects, file ?? ''))
}

test('every file is applied once, in the order of names, also what is added later', async () => {
  const files = readdirSync(options.migrationsDir).sort()
  expect(files.length).toBeGreaterThan(1)
  expect(await applyMigrations(options)).toEqual({ kind: 'applied', names: files })
  expect(await applyMigrations(options)).toEqual({ kind: 'applied', names: [] })
  writeFileSync(join(options.migrationsDir, '0000_early.sql'), 'CREATE TABLE early (id INTEGER);')
  expect(await applyMigrations(options)).toEqual({ kind: 'applied', names: ['0000_early.sql'] })
  const db = database()
  expect(db.prepare('SELECT id FROM tenant').all()).toEqual([{ id: 'tnt_default' }])
  expect(db.prepare('SELECT name FROM d1_migrations ORDER BY name').all()).toHaveLength(files.length + 1)
  db.close()
})

test('a file that fails leaves nothing of itself, and is named', async () => {
  writeFileSync(join(options.migrationsDir, '9999_wrong.sql'), 'CREATE TABLE half (id INTEGER); CREATE NONSENSE;')
  expect(await applyMigrations(options)).toEqual({
    kind: 'failed',
    message: expect.stringMatching(/^migrations\/9999_wrong.sql cannot be applied: .*NONSENSE/),
  })
  const db = database()
  expect(db.prepare("SELECT name FROM sqlite_master WHERE name = 'half'").all()).toEqual([])
  db.close()
  writeFileSync(join(options.migrationsDir, '9999_wrong.sql'), 'CREATE TABLE half (id INTEGER);')
  expect(await applyMigrations(options)).toEqual({ kind: 'applied', names: ['9999_wrong.sql'] })
})
