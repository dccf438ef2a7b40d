/**
 * One tenant's requests over many isolates, each with the real gate before the real sequence (gated-isolate.ts) and stores 120 ms away.
 * Time is virtual: what a request waits for stores is counted, not measured. What the tenant's objects were asked is kept, so that
 * test/bench/one-tenant.ts can ask real ones the same.
 */
import { makeApiKey } from '../../../src/auth/api-key.ts'
import { eventClock } from '../event-clock.ts'
import { seededRandom } from '../seeded-random.ts'
import { farStores, type LedgerCall, type LimitCall } from './far-stores.ts'
import { gatedIsolate } from './gated-isolate.ts'

export type Traffic = { seed: number; requestsPerSecond: number; isolates: number; seconds: number }

export type Observed = {
  /** Of each request that reached the model: when it came, since the beginning, and how much later the model was asked. */
  waits: { atMs: number; waitedMs: number }[]
  /** How many were answered with which status. Those that still run at the end are not among them. */
  statuses: Record<number, number>
  limitCalls: LimitCall[]
  ledgerCalls: LedgerCall[]
}

/** Noon: no window or period ends meanwhile. */
const START_MS = Date.UTC(2026, 10, 24, 12)

export async function oneTenant({ seed, requestsPerSecond, isolates, seconds }: Traffic): Promise<Observed> {
  const clock = eventClock(START_MS)
  const random = seededRandom(seed)
  const key = makeApiKey()
  const stores = farStores(clock, key)
  const hosts = Array.from({ length: isolates }, (_, index) => gatedIsolate(clock, stores, `i${index}`))
  const waits: Observed['waits'] = []
  const statuses: Record<number, number> = {}
  const failures: unknown[] = []
  for (let index = 0; index < requestsPerSecond * seconds; index++) {
    const host = random.pick(hosts)
    clock.at(START_MS + Math.floor((index * 1_000) / requestsPerSecond), () => {
      const cameAtMs = clock.nowMs()
      const asked = () => waits.push({ atMs: cameAtMs - START_MS, waitedMs: clock.nowMs() - cameAtMs })
      host(key, asked).then(
        (status) => {
          statuses[status] = (statuses[status] ?? 0) + 1
        },
        (thrown) => failures.push(thrown),
      )
    })
  }
  await clock.run(START_MS + seconds * 1_000)
  if (failures.length > 0) throw failures[0]
  return { waits, statuses, limitCalls: stores.limitCalls, ledgerCalls: stores.ledgerCalls }
}

/** Of the busiest second from `fromMs` on, by name: calls a second at each object. */
export function busiest(calls: readonly { atMs: number; owner?: string }[], fromMs: number): Record<string, number> {
  const counts = new Map<string, number>()
  const most: Record<string, number> = {}
  for (const { atMs, owner = 'ledger' } of calls) {
    if (atMs < fromMs) continue
    const second = `${Math.floor(atMs / 1_000)} ${owner}`
    const count = (counts.get(second) ?? 0) + 1
    counts.set(second, count)
    most[owner] = Math.max(most[owner] ?? 0, count)
  }
  return most
}
