/**
 * What this isolate has leased of one tenant's accounts: reserved for answers that run, spent but not yet told, and free. Taking from
 * what is free is synchronous; reports to the ledger return what is too much and ask for what will be needed. No clock of its own, no calls.
 */
import type { Amount, BudgetSet, Unit } from './budget.ts'
import type { AccountState, LedgerAnswer, LedgerReport, NeedAnswer, UsageEntry } from './ledger-wire.ts'

export type Slot = {
  readonly id: string
  readonly unit: Unit
  readonly endsAtMs: number
  /** Granted by the ledger and neither returned nor told as spent. What is reserved and unreported is part of it. */
  leased: number
  reserved: number
  unreported: number
  /** Of what is reserved: by a bound, which the truth may be far below. */
  unproven: number
  /** Taken since the last report, and what that was a millisecond before. */
  drawn: number
  ratePerMs: number
  /** About the most that one request took lately. */
  largest: number
  /** As the ledger last said. */
  state: AccountState | undefined
}

/** A request that waits for its amounts. */
export type Need = { slots: readonly Slot[]; amount: Amount; unproven: boolean; state: 'asking' | NeedAnswer }

/** A report must stay far below the 32 MiB of a call, and a transaction short. */
const USAGE_PER_REPORT = 500
const NEEDS_PER_REPORT = 500

/** Free capacity is kept for so much of the present demand. */
const STORE_MS = 2_000
/** After the last request everything goes back. Shorter than the 30 s that a Worker may go on after its answers. */
export const IDLE_MS = 10_000
/** With leases out: far within LEASE_MS. */
const ALIVE_EVERY_MS = 25_000
const REPORT_EVERY_MS = 1_000
/** Near the end of a budget, where what is released should soon be there for others, and when the store runs low: less than LOW_MS are left of it. */
const REPORT_URGENT_MS = 100
const LOW_MS = 500

/** Memory for usage that cannot be told because the ledger does not answer. */
const USAGE_KEPT_MAX = 20_000

type Pending = { report: LedgerReport; needs: Need[] }
type Settled = { entry: UsageEntry; slots: readonly Slot[] }

export type Lease = ReturnType<typeof lease>

export function lease(isolateId: string) {
  const slots = new Map<string, Slot>()
  const usage: Settled[] = []
  let pendingUsage: Settled[] = []
  const needs = new Set<Need>()
  let pending: Pending | undefined
  let sequence = 0
  let rules: BudgetSet | undefined
  let ledgerRulesVersion = 0
  let running = 0
  let usedAtMs = 0
  let reportedAtMs = 0
  let changed = false

  const free = (slot: Slot) => slot.leased - slot.reserved - slot.unreported
  const fits = (wanted: readonly Slot[], amount: Amount) => wanted.every((slot) => amount[slot.unit] <= free(slot))
  const isScarce = ({ state, largest }: Slot) => state !== undefined && state.room < largest

  function slot(id: string, unit: Unit, endsAtMs: number): Slot {
    const found = slots.get(id)
    if (found) return found
    const made: Slot = {
      ...{ id, unit, endsAtMs, leased: 0, reserved: 0, unreported: 0, unproven: 0 },
      ...{ drawn: 0, ratePerMs: 0, largest: 0, state: undefined },
    }
    slots.set(id, made)
    return made
  }

  /** All of it or nothing. `unproven` amounts are taken only as far as the ledger lets isolates hold some. */
  function take(from: readonly Slot[], amount: Amount, unproven: boolean): boolean {
    for (const slot of from) if (amount[slot.unit] > slot.largest) slot.largest = amount[slot.unit]
    if (!fits(from, amount)) return false
    if (unproven && !from.every((slot) => slot.unproven + amount[slot.unit] <= (slot.state?.room ?? 0))) return false
    hold(from, amount, unproven)
    return true
  }

  function hold(from: readonly Slot[], amount: Amount, unproven: boolean): void {
    for (const slot of from) {
      const taken = amount[slot.unit]
      slot.reserved += taken
      slot.drawn += taken
      if (unproven) slot.unproven += taken
    }
    changed ||= from.length > 0
  }

  function release(from: readonly Slot[], amount: Amount): void {
    for (const slot of from) slot.reserved -= amount[slot.unit]
    changed ||= from.length > 0
  }

  function proven(from: readonly Slot[], amount: Amount): void {
    for (const slot of from) slot.unproven -= amount[slot.unit]
  }

  /** What was held becomes what it cost. */
  function settle(from: readonly Slot[], held: Amount, entry: UsageEntry | undefined): void {
    release(from, held)
    if (!entry) return
    for (const slot of from) slot.unreported += charge(entry, slot.unit)
    usage.push({ entry, slots: from })
    if (usage.length > USAGE_KEPT_MAX) {
      const { entry: lost, slots: of } = usage.shift() as Settled // Sound: there are more than none.
      // The lease stays with the ledger and is presumed spent; only the row is lost.
      console.error(
        JSON.stringify({ level: 'error', event: 'usage_lost', request_id: lost.requestId, slots: of.length }),
      )
    }
  }

  /** How much the charge can be above what is held. */
  function spare(from: readonly Slot[], unit: Unit): number {
    return from.reduce(
      (least, slot) => (slot.unit === unit ? Math.min(least, Math.max(0, free(slot))) : least),
      LARGEST,
    )
  }

  function ask(from: readonly Slot[], amount: Amount, unproven: boolean): Need {
    const need: Need = { slots: from, amount, unproven, state: 'asking' }
    needs.add(need)
    return need
  }

  /** Whoever asked went away. What was granted meanwhile is free. */
  function drop(need: Need): void {
    needs.delete(need)
  }

  /** Usage that never had anything reserved is only told. */
  function report(nowMs: number): LedgerReport {
    if (pending) return pending.report
    const asking = [...needs].slice(0, NEEDS_PER_REPORT)
    pendingUsage = usage.splice(0, USAGE_PER_REPORT)
    const returned: Record<string, number> = {}
    const wanted: Record<string, number> = {}
    for (const slot of slots.values()) {
      balance(slot, nowMs, returned, wanted)
      if (slot.endsAtMs < nowMs && slot.leased === 0 && running === 0 && needs.size === 0) slots.delete(slot.id)
    }
    sequence += 1
    reportedAtMs = nowMs
    changed = false
    pending = {
      needs: asking,
      report: {
        isolateId,
        sequence,
        ...(rules && rules.version > ledgerRulesVersion ? { rules } : {}),
        usage: pendingUsage.map(({ entry, slots: from }) => ({ entry, held: from.map(({ id }) => id) })),
        returned,
        wanted,
        needs: asking.map(({ slots: from, amount, unproven }) => {
          return { amounts: Object.fromEntries(from.map((slot) => [slot.id, amount[slot.unit]])), unproven }
        }),
      },
    }
    return pending.report
  }

  /** What is kept free: enough for the demand as it is, nothing near a budget's end or when nobody comes. */
  function balance(slot: Slot, nowMs: number, returned: Record<string, number>, wanted: Record<string, number>): void {
    const elapsedMs = Math.max(1, nowMs - reportedAtMs)
    slot.ratePerMs = (slot.ratePerMs + slot.drawn / elapsedMs) / 2
    slot.drawn = 0
    const isIdle = nowMs - usedAtMs >= IDLE_MS && running === 0
    const target =
      isIdle || isScarce(slot) || slot.endsAtMs <= nowMs
        ? 0
        : Math.floor(Math.min(Math.max(slot.largest, slot.ratePerMs * STORE_MS), slot.state?.room ?? LARGEST))
    slot.largest = Math.ceil(slot.largest * LARGEST_KEPT)
    const spareNow = free(slot)
    if (target === 0 ? spareNow > 0 : spareNow > 1.5 * target) {
      returned[slot.id] = spareNow - target
      slot.leased -= spareNow - target
    } else if (spareNow < 0.75 * target) wanted[slot.id] = target - spareNow
  }

  /** Once for each report that was made. */
  function apply(answer: LedgerAnswer): void {
    if (!pending || answer.sequence !== pending.report.sequence) return
    for (const { entry, slots: from } of pendingUsage) {
      for (const slot of from) {
        slot.leased -= charge(entry, slot.unit)
        slot.unreported -= charge(entry, slot.unit)
      }
    }
    pendingUsage = []
    ledgerRulesVersion = answer.rulesVersion
    for (const [id, amount] of Object.entries(answer.granted)) {
      const slot = slots.get(id)
      if (slot) slot.leased += amount
    }
    for (const [id, state] of Object.entries(answer.accounts)) {
      const slot = slots.get(id)
      if (slot) slot.state = state
    }
    for (const [at, need] of pending.needs.entries()) {
      if (!needs.has(need)) continue
      need.state = answer.needs[at] ?? 'wait'
      if (need.state === 'wait' || need.state === 'alone') continue
      needs.delete(need)
      if (need.state === 'met') hold(need.slots, need.amount, need.unproven)
    }
    pending = undefined
  }

  /** When the next report is due; undefined when there is nothing to tell until somebody comes. */
  function dueAtMs(nowMs: number): number | undefined {
    // Needs have their own callers, who ask.
    if (pending) return nowMs
    let holds = false
    let isUrgent = false
    for (const slot of slots.values()) {
      holds ||= slot.leased > 0
      const spareNow = free(slot)
      isUrgent ||= isScarce(slot) ? spareNow > 0 : changed && spareNow < slot.ratePerMs * LOW_MS
    }
    if (isUrgent) return reportedAtMs + REPORT_URGENT_MS
    if (usage.length > 0 || changed) return reportedAtMs + REPORT_EVERY_MS
    if (!holds) return undefined
    return running > 0 ? reportedAtMs + ALIVE_EVERY_MS : Math.max(usedAtMs + IDLE_MS, reportedAtMs + REPORT_EVERY_MS)
  }

  return {
    slot,
    /** Whether one of them is so near its end that nothing may be kept in store. */
    isScarce: (of: readonly Slot[]) => of.some(isScarce),
    take,
    release,
    proven,
    settle,
    spare,
    ask,
    drop,
    report,
    apply,
    dueAtMs,
    /** An answer begins, or ends. */
    begin(nowMs: number): void {
      running += 1
      usedAtMs = nowMs
    },
    end(nowMs: number): void {
      running -= 1
      usedAtMs = nowMs
    },
    learn(set: BudgetSet): void {
      rules = set
    },
    /** Answers that hold something. */
    running: () => running,
    holdsNothing: () => slots.size === 0 && usage.length === 0 && pending === undefined && needs.size === 0,
  }
}

const LARGEST = Number.MAX_SAFE_INTEGER
const LARGEST_KEPT = 0.9

function charge(entry: UsageEntry, unit: Unit): number {
  return unit === 'tokens' ? entry.chargedTokens : entry.cost
}
