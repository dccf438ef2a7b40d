/**
 * A tenant's ledger: what is spent of each account, and what is leased to which isolate. For every account that a budget bounds
 *     spent + presumed + leased <= limit
 * holds after every report, because nothing is leased beyond it and isolates spend only what they lease. It is a limit that was
 * lowered, or usage of an isolate that did not know the budget yet, that can put an account above; then nothing is leased.
 */
import { accountsOfUsage, periodEndMs } from './budget.ts'
import { createLedgerTables, type LedgerSql } from './ledger-schema.ts'
import type { AccountState, LedgerAnswer, LedgerReport, NeedAnswer, UsageEntry } from './ledger-wire.ts'

/** An isolate that was silent for so long, though it holds a lease, is taken for dead. It tells at least every REPORT_EVERY_MS. */
export const LEASE_MS = 90_000

/** Isolates that were heard of so lately share what may be held in store. */
const ACTIVE_MS = 15_000

/** Of what is left, this part at most is held in store by all active isolates together: the rest stays where whoever needs it can get it. */
const STORE_SHARE = 8

/** Accounts and isolates are forgotten so long after their end: long after the last answer that began in them. */
const FORGOTTEN_AFTER_MS = 40 * 86_400_000

type Account = { spent: number; leased: number; presumed: number; limit: number; endsAtMs: number; isChanged: boolean }

export type BudgetUse = { spent: number; presumed: number; reserved: number }

export type Ledger = {
  exchange(report: LedgerReport, nowMs: number): LedgerAnswer
  /** Leases of isolates that fell silent are presumed spent. */
  expire(nowMs: number): void
  /** When `expire` is next due; undefined while nothing is leased. */
  nextExpiryMs(): number | undefined
  use(accountIds: readonly string[]): BudgetUse[]
  /** The oldest usage that is not delivered yet. */
  undelivered(count: number): { seq: number; entry: UsageEntry }[]
  /** All up to and including this one. */
  delivered(seq: number): void
}

export function ledger(sql: LedgerSql): Ledger {
  createLedgerTables(sql)

  function exchange(report: LedgerReport, nowMs: number): LedgerAnswer {
    const known = sql.exec('SELECT sequence, answer FROM isolate WHERE id = ?', report.isolateId)[0]
    // Sound: written below. The answer was lost: the same one again, or what it grants would be granted twice.
    if (known && Number(known.sequence) >= report.sequence) return JSON.parse(String(known.answer)) as LedgerAnswer

    const rulesVersion = learnRules(report)
    const leases = leasesOf(report.isolateId)
    const accounts = new Map<string, Account>()
    const account = (id: string) => {
      const found = accounts.get(id) ?? readAccount(id)
      accounts.set(id, found)
      return found
    }
    const granted: Record<string, number> = {}
    /** Down by up to `amount`: never below nothing, whatever the isolate says. */
    const shrinkLease = (id: string, amount: number) => {
      const shrunk = Math.min(amount, leases.get(id) ?? 0)
      leases.set(id, (leases.get(id) ?? 0) - shrunk)
      account(id).leased -= shrunk
      account(id).isChanged = true
    }
    const growLease = (id: string, amount: number) => {
      leases.set(id, (leases.get(id) ?? 0) + amount)
      account(id).leased += amount
      account(id).isChanged = true
      granted[id] = (granted[id] ?? 0) + amount
    }
    // Who speaks is alive: what was presumed spent is a lease again.
    for (const [id, presumed] of presumedOf(report.isolateId)) {
      leases.set(id, (leases.get(id) ?? 0) + presumed)
      account(id).presumed -= presumed
      account(id).leased += presumed
      account(id).isChanged = true
    }
    for (const { entry, held } of report.usage) {
      if (!log(entry)) continue
      for (const { id, unit } of accountsOfUsage(entry.keyId, entry.startedAtMs)) {
        const charge = unit === 'tokens' ? entry.chargedTokens : entry.cost
        account(id).spent += charge
        account(id).isChanged = true
        if (held.includes(id)) shrinkLease(id, charge)
      }
    }
    for (const [id, amount] of Object.entries(report.returned)) shrinkLease(id, amount)

    const active = 1 + activeBeside(report.isolateId, nowMs)
    const room = (id: string) => Math.floor(Math.max(0, left(account(id))) / (STORE_SHARE * active))
    const needs = report.needs.map(({ amounts, unproven }): NeedAnswer => {
      const all = Object.entries(amounts)
      if (all.some(([id, amount]) => isHopeless(account(id), amount))) return unproven ? 'count' : 'spent'
      if (unproven && all.some(([id, amount]) => amount > room(id))) return 'count'
      const lacking = all.filter(([id, amount]) => amount > left(account(id)))
      if (lacking.length > 0) {
        return lacking.every(([id]) => account(id).leased <= (leases.get(id) ?? 0)) ? 'alone' : 'wait'
      }
      for (const [id, amount] of all) growLease(id, amount)
      return 'met'
    })
    for (const [id, amount] of Object.entries(report.wanted)) {
      const grant = Math.min(amount, room(id))
      if (grant > 0) growLease(id, grant)
    }

    for (const [id, found] of accounts) if (found.isChanged) writeAccount(id, found)
    writeLeases(report.isolateId, leases)
    const answer: LedgerAnswer = {
      sequence: report.sequence,
      rulesVersion,
      needs,
      granted,
      accounts: Object.fromEntries(
        [...accounts].map(([id, found]): [string, AccountState] => [
          id,
          { limit: found.limit, spent: found.spent + found.presumed, left: left(found), room: room(id) },
        ]),
      ),
    }
    sql.exec(
      'INSERT OR REPLACE INTO isolate (id, sequence, heard_at_ms, answer) VALUES (?, ?, ?, ?)',
      report.isolateId,
      report.sequence,
      nowMs,
      JSON.stringify(answer),
    )
    return answer
  }

  /** The newest that any isolate told. Returns the version that holds now. */
  function learnRules({ rules }: LedgerReport): number {
    const version = Number(sql.exec('SELECT version FROM rules')[0]?.version ?? 0)
    if (!rules || rules.version <= version) return version
    sql.exec('DELETE FROM budget')
    for (const { id, limit } of rules.budgets) sql.exec('INSERT INTO budget (id, "limit") VALUES (?, ?)', id, limit)
    sql.exec('INSERT OR REPLACE INTO rules (one, version) VALUES (1, ?)', rules.version)
    return rules.version
  }

  /** Whether it is new. */
  function log(entry: UsageEntry): boolean {
    const added = sql.exec(
      'INSERT OR IGNORE INTO outbox (id, entry) VALUES (?, ?) RETURNING seq',
      entry.id,
      JSON.stringify(entry),
    )
    return added.length > 0
  }

  function readAccount(id: string): Account {
    const [budget = '', start = ''] = id.split('@')
    const row = sql.exec('SELECT * FROM account WHERE id = ?', id)[0]
    const rule = sql.exec('SELECT "limit" FROM budget WHERE id = ?', budget)[0]
    return {
      spent: Number(row?.spent ?? 0),
      leased: Number(row?.leased ?? 0),
      presumed: Number(row?.presumed ?? 0),
      // A budget that is gone bounds nothing.
      limit: Number(rule?.limit ?? Number.MAX_SAFE_INTEGER),
      endsAtMs: periodEndMs(budget.startsWith('day-') ? 'day' : 'month', Number(start)),
      isChanged: false,
    }
  }

  function writeAccount(id: string, { endsAtMs, spent, leased, presumed }: Account): void {
    sql.exec('INSERT OR REPLACE INTO account VALUES (?, ?, ?, ?, ?)', id, endsAtMs, spent, leased, presumed)
  }

  function leasesOf(isolateId: string): Map<string, number> {
    const rows = sql.exec('SELECT account_id, amount FROM lease WHERE isolate_id = ?', isolateId)
    return new Map(rows.map(({ account_id, amount }) => [String(account_id), Number(amount)]))
  }

  function presumedOf(isolateId: string): [string, number][] {
    const rows = sql.exec('SELECT account_id, presumed FROM lease WHERE isolate_id = ? AND presumed > 0', isolateId)
    return rows.map(({ account_id, presumed }) => [String(account_id), Number(presumed)])
  }

  function writeLeases(isolateId: string, leases: ReadonlyMap<string, number>): void {
    sql.exec('DELETE FROM lease WHERE isolate_id = ?', isolateId)
    for (const [id, amount] of leases) {
      if (amount > 0) sql.exec('INSERT INTO lease VALUES (?, ?, ?, 0)', isolateId, id, amount)
    }
  }

  function activeBeside(isolateId: string, nowMs: number): number {
    const query = 'SELECT count(*) AS n FROM isolate WHERE heard_at_ms > ? AND id <> ?'
    return Number(sql.exec(query, nowMs - ACTIVE_MS, isolateId)[0]?.n)
  }

  function expire(nowMs: number): void {
    const silent = nowMs - LEASE_MS
    const ofSilent = 'isolate_id IN (SELECT id FROM isolate WHERE heard_at_ms <= ?) AND amount > 0'
    const expired = sql.exec(
      `SELECT account_id, sum(amount) AS amount FROM lease WHERE ${ofSilent} GROUP BY account_id`,
      silent,
    )
    for (const { account_id, amount } of expired) {
      const query = 'UPDATE account SET leased = leased - ?, presumed = presumed + ? WHERE id = ?'
      sql.exec(query, Number(amount), Number(amount), String(account_id))
    }
    sql.exec(`UPDATE lease SET presumed = presumed + amount, amount = 0 WHERE ${ofSilent}`, silent)
    const forgotten = nowMs - FORGOTTEN_AFTER_MS
    sql.exec('DELETE FROM lease WHERE account_id IN (SELECT id FROM account WHERE ends_at_ms < ?)', forgotten)
    sql.exec('DELETE FROM account WHERE ends_at_ms < ?', forgotten)
    sql.exec('DELETE FROM isolate WHERE heard_at_ms < ? AND id NOT IN (SELECT isolate_id FROM lease)', forgotten)
  }

  function nextExpiryMs(): number | undefined {
    const query =
      'SELECT min(heard_at_ms) AS at FROM isolate WHERE id IN (SELECT isolate_id FROM lease WHERE amount > 0)'
    const at = sql.exec(query)[0]?.at
    return at === null || at === undefined ? undefined : Number(at) + LEASE_MS
  }

  return {
    exchange: (report, nowMs) => sql.transaction(() => exchange(report, nowMs)),
    expire: (nowMs) => sql.transaction(() => expire(nowMs)),
    nextExpiryMs,
    use: (ids) =>
      ids.map((id) => {
        const { spent, presumed, leased } = readAccount(id)
        return { spent, presumed, reserved: leased }
      }),
    undelivered: (count) =>
      sql.exec('SELECT seq, entry FROM outbox ORDER BY seq LIMIT ?', count).map(({ seq, entry }) => {
        return { seq: Number(seq), entry: JSON.parse(String(entry)) as UsageEntry } // Sound: written by `log`.
      }),
    delivered: (seq) => void sql.exec('DELETE FROM outbox WHERE seq <= ?', seq),
  }
}

function left({ limit, spent, leased, presumed }: Account): number {
  return limit - spent - leased - presumed
}

function isHopeless({ limit, spent, presumed }: Account, amount: number): boolean {
  return spent + presumed + amount > limit
}
