/** Isolates and the Health object of their region in virtual time: the object 20 ms away, deaf or hanging when told to. */
import type { Deployment } from '../../src/chat/ports.ts'
import type { Check, Endpoints } from '../../src/health/health-wire.ts'
import { type IsolateHealth, isolateHealth } from '../../src/health/isolate-health.ts'
import { type RegionHealth, regionHealth } from '../../src/health/region-health.ts'
import { seededRandom } from './seeded-random.ts'
import { type VirtualClock, virtualClock } from './virtual-clock.ts'

export type Region = {
  clock: VirtualClock
  object: () => RegionHealth
  isolate(): IsolateHealth
  /** Every call of the object fails until `false` is said. */
  fail(fails: boolean): void
  /** The object forgets all, as when it is evicted. */
  evict(): void
  exchanges(): number
}

const ROUND_TRIP_MS = 20

export function healthRegion(
  given: { checkOf?: (id: string) => Check | undefined; endpoints?: () => Endpoints } = {},
): Region {
  const clock = virtualClock()
  const random = seededRandom(7).next
  const { nowMs, sleep } = clock
  const make = () => regionHealth({ random, nowMs, sleep, endpoints: given.endpoints ?? (() => ({})) })
  let object = make()
  let isFailing = false
  let exchanges = 0
  let ids = 0

  async function far<Value>(call: () => Promise<Value>): Promise<Value> {
    await sleep(ROUND_TRIP_MS / 2)
    if (isFailing) throw new Error('The object is down.')
    // As over RPC: what arrives is a copy.
    const answer = structuredClone(await call())
    await sleep(ROUND_TRIP_MS / 2)
    return answer
  }

  return {
    clock,
    object: () => object,
    fail(fails) {
      isFailing = fails
    },
    evict() {
      object = make()
    },
    exchanges: () => exchanges,
    isolate: () =>
      isolateHealth({
        remote: () => ({
          exchange(report) {
            exchanges += 1
            const copy = structuredClone(report)
            return far(() => object.exchange(copy))
          },
          wait: (ask) => {
            const copy = structuredClone(ask)
            return far(() => object.wait(copy))
          },
          leave: (id) => far(() => object.leave(id)),
        }),
        checkOf: given.checkOf ?? (() => undefined),
        isAnnounced: () => given.endpoints !== undefined,
        waitUntil: (promise) => void promise,
        nowMs,
        random,
        sleep,
        newId: () => `id-${ids++}`,
      }),
  }
}

/** One call: `code` undefined answers well. */
export function call(
  health: IsolateHealth,
  deployment: Deployment,
  code?: Parameters<NonNullable<ReturnType<IsolateHealth['enter']>>['end']>[0],
): boolean {
  const entered = health.enter(deployment)
  if (!entered) return false
  if (!code) entered.firstEvent()
  entered.end(code)
  return true
}
