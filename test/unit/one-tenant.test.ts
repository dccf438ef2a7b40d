/** The gate before the sequence, with every store 120 ms away: what a request waits for, and how often one tenant's objects are asked. */
import { expect, test } from 'vitest'
import { busiest, type Observed, oneTenant } from '../support/one-tenant/traffic.ts'

/** Isolates have their leases by then. */
const WARM_MS = 2_000

/** What warm requests waited for stores, from least to most. */
function warmWaits({ waits }: Observed): number[] {
  return waits.flatMap(({ atMs, waitedMs }) => (atMs >= WARM_MS ? [waitedMs] : [])).sort((a, b) => a - b)
}

test('one tenant at 5,000 requests/s over 50 isolates: fewer than 1 in 100 waits for a store, and its objects are asked 200 times a second at most', async () => {
  const observed = await oneTenant({ seed: 1, requestsPerSecond: 5_000, isolates: 50, seconds: 3 })
  expect(Object.keys(observed.statuses)).toEqual(['200'])
  const waits = warmWaits(observed)
  expect(waits.length).toBeGreaterThan(4_500)
  expect(waits.at(Math.floor(0.99 * waits.length))).toBe(0)
  expect(waits.at(-1)).toBeLessThanOrEqual(130)
  const limits = busiest(observed.limitCalls, WARM_MS)
  expect(limits['tnt_busy/tenant']).toBeGreaterThan(0)
  for (const [owner, calls] of Object.entries(limits)) expect(calls, owner).toBeLessThanOrEqual(200)
  expect(busiest(observed.ledgerCalls, WARM_MS).ledger).toBeLessThanOrEqual(75)
}, 120_000)

test.each([
  [1, 2, 59],
  [5, 100, 30],
])(
  'a tenant on %i isolates at %i requests/s waits for no store once its leases are warm',
  async (isolates, rate, seconds) => {
    // Less than a minute of warm time: the first request of a window waits for its slice.
    const observed = await oneTenant({ seed: 2, requestsPerSecond: rate, isolates, seconds })
    expect(Object.keys(observed.statuses)).toEqual(['200'])
    const waits = warmWaits(observed)
    expect(waits.length).toBeGreaterThan(100)
    expect(waits.at(Math.floor(0.5 * waits.length))).toBe(0)
    expect(waits.at(Math.floor(0.99 * waits.length))).toBeLessThanOrEqual(120)
  },
  60_000,
)
