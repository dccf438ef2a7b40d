/**
 * The limits of one principal (a tenant, a key, a user or a model of a tenant): a SQLite Durable Object named
 * `${tenantId}/${principal}`. It counts what was granted, not each request: isolates take slices (src/limits/leased-windows.ts).
 */
import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../env.ts'
import type { Ask, Grant, Holding } from './stores.ts'

/** A window that ended is kept this long, for isolates whose clock is behind. */
const KEPT_MS = 60_000

export class Limits extends DurableObject<Env> {
  readonly #sql: SqlStorage
  #hasTables = false

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    this.#sql = state.storage.sql
  }

  /** See WindowStore.take. */
  async take(name: string, amount: number, windowMs: number, windowStartMs: number, ask: Ask): Promise<Grant> {
    await this.#prepare(windowStartMs + windowMs)
    const used = this.#usedOf(name, windowStartMs) + ask.spent
    const remaining = Math.max(0, amount - used)
    const granted = remaining >= ask.want ? ask.want : remaining >= ask.need ? remaining : 0
    if (ask.spent + granted > 0) this.#setUsed(name, windowStartMs, windowMs, used + granted)
    return { granted, remaining: remaining - granted }
  }

  /** See WindowStore.giveBack. */
  async giveBack(name: string, windowMs: number, windowStartMs: number, amount: number): Promise<void> {
    await this.#prepare(windowStartMs + windowMs)
    this.#setUsed(name, windowStartMs, windowMs, Math.max(0, this.#usedOf(name, windowStartMs) - amount))
  }

  /** See StreamStore.hold. */
  async hold(name: string, amount: number, { holderId, running, want, nowMs, untilMs }: Holding): Promise<number> {
    await this.#prepare(untilMs)
    const { others } = this.#sql
      .exec<{ others: number }>(
        'SELECT coalesce(sum(places), 0) AS others FROM holder WHERE name = ? AND holder_id <> ? AND until_ms > ?',
        name,
        holderId,
        nowMs,
      )
      .one()
    const places = Math.max(running, Math.min(want, Math.max(0, amount - others)))
    if (places > 0) {
      this.#sql.exec('INSERT OR REPLACE INTO holder VALUES (?, ?, ?, ?)', name, holderId, places, untilMs)
    } else {
      this.#sql.exec('DELETE FROM holder WHERE name = ? AND holder_id = ?', name, holderId)
    }
    return places
  }

  /** Deletes what is over, and the object's storage with the last of it: who calls no more leaves nothing behind. */
  override async alarm(): Promise<void> {
    const nowMs = Date.now()
    this.#createTables()
    this.#sql.exec('DELETE FROM used WHERE end_ms < ?', nowMs - KEPT_MS)
    this.#sql.exec('DELETE FROM holder WHERE until_ms < ?', nowMs - KEPT_MS)
    const { last } = this.#sql
      .exec<{ last: number | null }>(
        'SELECT max(at_ms) AS last FROM (SELECT max(end_ms) AS at_ms FROM used UNION ALL SELECT max(until_ms) FROM holder)',
      )
      .one()
    if (last !== null) return this.ctx.storage.setAlarm(last + KEPT_MS)
    this.#hasTables = false
    await this.ctx.storage.deleteAll()
  }

  async #prepare(untilMs: number): Promise<void> {
    this.#createTables()
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(untilMs + KEPT_MS)
  }

  #createTables(): void {
    if (this.#hasTables) return
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS used (
        name TEXT NOT NULL, start_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL, amount INTEGER NOT NULL,
        PRIMARY KEY (name, start_ms)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS holder (
        name TEXT NOT NULL, holder_id TEXT NOT NULL, places INTEGER NOT NULL, until_ms INTEGER NOT NULL,
        PRIMARY KEY (name, holder_id)
      ) STRICT, WITHOUT ROWID;
    `)
    this.#hasTables = true
  }

  #usedOf(name: string, startMs: number): number {
    const [row] = this.#sql
      .exec<{ amount: number }>('SELECT amount FROM used WHERE name = ? AND start_ms = ?', name, startMs)
      .toArray()
    return row?.amount ?? 0
  }

  #setUsed(name: string, startMs: number, windowMs: number, amount: number): void {
    this.#sql.exec('INSERT OR REPLACE INTO used VALUES (?, ?, ?, ?)', name, startMs, startMs + windowMs, amount)
  }
}
