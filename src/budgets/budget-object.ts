/**
 * A tenant's ledger as a SQLite Durable Object, named by the tenant. Isolates lease from it and tell it what was used; its alarm takes
 * the leases of isolates that fell silent for spent, and delivers usage to D1. What it answers has been committed.
 */
import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../env.ts'
import { type BudgetUse, type Ledger, ledger } from './ledger.ts'
import type { LedgerSql, Row } from './ledger-schema.ts'
import type { LedgerAnswer, LedgerReport } from './ledger-wire.ts'
import { deliverUsage } from './usage-store.ts'

/** Usage is in D1 about this long after the answer: a batch is worth a while. */
const DELIVER_AFTER_MS = 2_000
/** While D1 fails: doubling from the first to the last. */
const RETRY_MS = 4_000
const RETRY_MS_MAX = 300_000

/** One statement. D1 takes a parameter of 2 MB at most; a row has some 250 bytes, with the longest names 700. */
const ROWS_PER_ALARM = 2_000

export class BudgetLedger extends DurableObject<Env> {
  readonly #ledger: Ledger
  #alarmAtMs = Number.POSITIVE_INFINITY
  #failures = 0

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    this.#ledger = ledger(sqlOf(state.storage))
  }

  exchange(report: LedgerReport): LedgerAnswer {
    const nowMs = Date.now()
    const answer = this.#ledger.exchange(report, nowMs)
    const expiryMs = this.#ledger.nextExpiryMs()
    const delivery = report.usage.length > 0 ? nowMs + DELIVER_AFTER_MS : Number.POSITIVE_INFINITY
    this.#wakeAt(Math.min(expiryMs ?? Number.POSITIVE_INFINITY, delivery))
    return answer
  }

  /** What is spent, presumed spent and leased of these accounts. */
  use(accountIds: readonly string[]): BudgetUse[] {
    return this.#ledger.use(accountIds)
  }

  override async alarm(): Promise<void> {
    this.#alarmAtMs = Number.POSITIVE_INFINITY
    this.#ledger.expire(Date.now())
    const outcome = await this.#deliver()
    const next = this.#ledger.nextExpiryMs() ?? Number.POSITIVE_INFINITY
    if (outcome === 'all') return this.#wakeAt(next)
    // A busy tenant's usage comes faster than a batch at a time would go: the next one follows at once.
    const waitMs = outcome === 'more' ? 0 : Math.min(RETRY_MS * 2 ** (this.#failures - 1), RETRY_MS_MAX)
    this.#wakeAt(Math.min(next, Date.now() + waitMs))
  }

  /** The oldest usage that D1 does not have. What fails stays in the outbox. */
  async #deliver(): Promise<'all' | 'more' | 'failed'> {
    const rows = this.#ledger.undelivered(ROWS_PER_ALARM)
    const last = rows.at(-1)
    if (!last) return 'all'
    try {
      await deliverUsage(
        this.env.DB,
        rows.map(({ entry }) => entry),
      )
      this.#ledger.delivered(last.seq)
      this.#failures = 0
      return rows.length < ROWS_PER_ALARM ? 'all' : 'more'
    } catch (cause) {
      this.#failures += 1
      console.warn(JSON.stringify({ level: 'warn', event: 'usage_delivery_failed', cause: String(cause) }))
      return 'failed'
    }
  }

  /** An alarm that is too early does no harm. A fresh object does not know of one, and sets another. */
  #wakeAt(atMs: number): void {
    if (atMs >= this.#alarmAtMs) return
    this.#alarmAtMs = atMs
    void this.ctx.storage.setAlarm(atMs)
  }
}

function sqlOf(storage: DurableObjectStorage): LedgerSql {
  return {
    // Sound: the ledger's tables hold text and numbers only.
    exec: (query, ...bindings) => storage.sql.exec(query, ...bindings).toArray() as Row[],
    transaction: (run) => storage.transactionSync(run),
  }
}
