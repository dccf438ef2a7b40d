/**
 * A tenant's rows on their way to D1, as a SQLite Durable Object named by the tenant: what it was told and has answered is committed. Its
 * alarm brings them to D1, some hundred at once, and deletes from D1 what is older than it is kept.
 */
import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../env.ts'
import { wire } from '../wiring.ts'

/** Rows are in D1 about this long after the answer: a batch is worth a while. */
const DELIVER_AFTER_MS = 2_000
/** While D1 fails: doubling from the first to the last. */
const RETRY_MS = 4_000
const RETRY_MS_MAX = 300_000

/** Of one statement. A value in D1 may have 2 MB. */
const ROWS_PER_BATCH = 500
const CHARS_PER_BATCH = 800_000
const BATCHES_PER_ALARM = 20

const PURGE_EVERY_MS = 3_600_000
/** While nothing new comes. */
const PURGE_IDLE_MS = 24 * 3_600_000
const DAY_MS = 86_400_000

type Report = { seq: number; rows: string; count: number }

export class RequestLog extends DurableObject<Env> {
  readonly #sql: SqlStorage
  #alarmAtMs = Number.POSITIVE_INFINITY
  #purgedAtMs = Number.NEGATIVE_INFINITY
  #failures = 0

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    this.#sql = state.storage.sql
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS owner (one INTEGER PRIMARY KEY CHECK (one = 1), tenant_id TEXT NOT NULL) STRICT;
      CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, rows TEXT NOT NULL, count INTEGER NOT NULL) STRICT;
    `)
  }

  /** `rows`: JSON lists with commas between them, `count` of them. Answered means stored. */
  append(tenantId: string, rows: string, count: number): void {
    this.#sql.exec('INSERT OR IGNORE INTO owner VALUES (1, ?)', tenantId)
    this.#sql.exec('INSERT INTO outbox (rows, count) VALUES (?, ?)', rows, count)
    this.#wakeAt(Date.now() + DELIVER_AFTER_MS)
  }

  override async alarm(): Promise<void> {
    this.#alarmAtMs = Number.POSITIVE_INFINITY
    const tenantId = this.#sql.exec<{ tenant_id: string }>('SELECT tenant_id FROM owner').toArray()[0]?.tenant_id
    if (tenantId === undefined) return
    try {
      const isDelivered = await this.#deliver(tenantId)
      const hasMore = await this.#purge(tenantId, Date.now())
      this.#failures = 0
      if (!isDelivered) this.#wakeAt(Date.now())
      else if (hasMore) this.#wakeAt(Date.now() + (hasMore === 'old' ? 1_000 : PURGE_IDLE_MS))
    } catch (cause) {
      console.warn(JSON.stringify({ level: 'warn', event: 'request_log_delivery_failed', cause: String(cause) }))
      this.#wakeAt(Date.now() + Math.min(RETRY_MS * 2 ** this.#failures, RETRY_MS_MAX))
      this.#failures += 1
    }
  }

  /** Whether nothing is left. What fails stays in the outbox. */
  async #deliver(tenantId: string): Promise<boolean> {
    // Late: no request needs it.
    const { deliverRows } = await import('./deliver-rows.ts')
    for (let batch = 0; batch < BATCHES_PER_ALARM; batch++) {
      const reports = this.#nextReports()
      const last = reports.at(-1)
      if (!last) return true
      await deliverRows(this.env.DB, tenantId, `[${reports.map(({ rows }) => rows).join(',')}]`)
      this.#sql.exec('DELETE FROM outbox WHERE seq <= ?', last.seq)
    }
    return false
  }

  /** The oldest that fit one statement together, and at least one. */
  #nextReports(): Report[] {
    const chosen: Report[] = []
    let [count, chars] = [0, 0]
    for (const report of this.#sql.exec<Report>('SELECT seq, rows, count FROM outbox ORDER BY seq')) {
      count += report.count
      chars += report.rows.length
      if (chosen.length > 0 && (count > ROWS_PER_BATCH || chars > CHARS_PER_BATCH)) break
      chosen.push(report)
    }
    return chosen
  }

  /** `old`: there is more to delete. `kept`: what is left becomes old some day. Undefined: nothing is there, or it was looked at lately. */
  async #purge(tenantId: string, nowMs: number): Promise<'old' | 'kept' | undefined> {
    if (nowMs - this.#purgedAtMs < PURGE_EVERY_MS) return 'kept'
    const keptMs = wire(this.env).config.PERIGEE_REQUEST_LOG_DAYS * DAY_MS
    const { purgeRows } = await import('./deliver-rows.ts')
    const left = await purgeRows(this.env.DB, tenantId, nowMs - keptMs)
    if (left !== 'old') this.#purgedAtMs = nowMs
    return left
  }

  /** An alarm that is too early does no harm. A fresh object does not know of one, and sets another. */
  #wakeAt(atMs: number): void {
    if (atMs >= this.#alarmAtMs) return
    this.#alarmAtMs = atMs
    void this.ctx.storage.setAlarm(atMs)
  }
}
