/**
 * Counters of all isolates, in one SQLite Durable Object. Isolates report what they counted since their last report; a report that
 * comes twice counts once. Only names, labels and numbers are stored.
 */
import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../env.ts'
import { METRICS, type MetricChange } from './metric-table.ts'
import type { MetricsReport } from './metrics-flush.ts'
import { prometheusText, type StoredNumber } from './prometheus-text.ts'
import { IN_FLIGHT_HEARD_MS, type InFlight } from './registry-meter.ts'

/** Reports a second that this object takes: far below what one Durable Object can do, so that reading stays quick. */
const REPORTS_PER_SECOND = 100
const REPORT_EVERY_MS_MIN = 1_000

/** An isolate's last number is kept this long after its last report. An isolate that was silent for longer is gone. */
const ISOLATE_KEPT_MS = 24 * 3_600_000
const PRUNE_EVERY_MS = 3_600_000

/** Some hundred models with every outcome. Labels come from our own tables, so that only a mistake of ours gets here. */
const NUMBERS_MAX = 20_000

export class Metrics extends DurableObject<Env> {
  readonly #sql: SqlStorage
  #prunedAtMs = 0

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    this.#sql = state.storage.sql
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS number (
        metric TEXT NOT NULL, label_values TEXT NOT NULL, field TEXT NOT NULL, value REAL NOT NULL,
        PRIMARY KEY (metric, label_values, field)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS isolate (
        isolate_id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, heard_at_ms INTEGER NOT NULL, in_flight TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
    `)
  }

  /** Adds the report's changes unless this number of this isolate was added before. Acknowledged means stored. */
  collect(report: MetricsReport): { acknowledged: number; nextReportInMs: number } {
    const nowMs = Date.now()
    this.ctx.storage.transactionSync(() => {
      const last = this.#sql
        .exec<{ sequence: number }>('SELECT sequence FROM isolate WHERE isolate_id = ?', report.isolateId)
        .toArray()[0]
      if (last && report.sequence <= last.sequence) return
      this.#sql.exec(
        'INSERT OR REPLACE INTO isolate (isolate_id, sequence, heard_at_ms, in_flight) VALUES (?, ?, ?, ?)',
        report.isolateId,
        report.sequence,
        nowMs,
        JSON.stringify(report.inFlight),
      )
      for (const change of report.changes) this.#add(change)
    })
    this.#prune(nowMs)
    const isolates = this.#sql
      .exec<{ n: number }>('SELECT count(*) AS n FROM isolate WHERE heard_at_ms > ?', nowMs - IN_FLIGHT_HEARD_MS)
      .one().n
    return {
      acknowledged: report.sequence,
      nextReportInMs: Math.max(REPORT_EVERY_MS_MIN, Math.ceil((isolates / REPORTS_PER_SECOND) * 1_000)),
    }
  }

  /** Prometheus text 0.0.4. */
  text(): string {
    const numbers = this.#sql
      .exec<{ metric: string; label_values: string; field: string; value: number }>('SELECT * FROM number')
      .toArray()
      .map(({ metric, label_values, field, value }): StoredNumber => {
        // Written by #add, which stores the label values as a JSON array of strings.
        return { metric, labelValues: JSON.parse(label_values) as string[], field, value }
      })
    return prometheusText([...numbers, ...this.#inFlight(Date.now())])
  }

  #add({ metric, labelValues, field, amount }: MetricChange): void {
    // An isolate of another release may count what this one does not know.
    if (!Object.hasOwn(METRICS, metric) || !Number.isFinite(amount)) return
    const labels = JSON.stringify(labelValues)
    const updated = this.#sql.exec(
      'UPDATE number SET value = value + ? WHERE metric = ? AND label_values = ? AND field = ?',
      amount,
      metric,
      labels,
      field,
    )
    if (updated.rowsWritten > 0) return
    const numbers = this.#sql.exec<{ n: number }>('SELECT count(*) AS n FROM number').one().n
    if (numbers < NUMBERS_MAX) this.#sql.exec('INSERT INTO number VALUES (?, ?, ?, ?)', metric, labels, field, amount)
  }

  #inFlight(nowMs: number): StoredNumber[] {
    return this.#sql
      .exec<{ in_flight: string }>('SELECT in_flight FROM isolate WHERE heard_at_ms > ?', nowMs - IN_FLIGHT_HEARD_MS)
      .toArray()
      .flatMap(({ in_flight }) => {
        // Written by collect from a report's InFlight.
        const pairs = JSON.parse(in_flight) as InFlight
        return pairs.map(([model, value]) => {
          return { metric: 'llm_requests_in_flight', labelValues: [model], field: '', value }
        })
      })
  }

  #prune(nowMs: number): void {
    if (nowMs - this.#prunedAtMs < PRUNE_EVERY_MS) return
    this.#prunedAtMs = nowMs
    this.#sql.exec('DELETE FROM isolate WHERE heard_at_ms < ?', nowMs - ISOLATE_KEPT_MS)
  }
}
