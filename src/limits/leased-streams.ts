/**
 * Places for answers that are being given at the same time. An isolate holds places in the store as a lease that it renews while it
 * answers: when it dies, its places are free again a while later. Above small limits it keeps some to spare, so that the usual answer
 * waits for nothing.
 */
import { STORE_TIMEOUT_MS } from './leased-windows.ts'
import type { Counter, StreamStore } from './stores.ts'

export type StreamVerdict =
  | { kind: 'entered'; leave: () => void }
  | { kind: 'refused'; counter: Counter }
  | { kind: 'failed'; counter: Counter; cause: unknown }

export type LeasedStreams = {
  /** A place for one answer. Synchronous while this isolate has one to spare. */
  enter(counter: Counter): StreamVerdict | Promise<StreamVerdict>
}

/** An isolate that has not renewed its lease for this long is gone. */
export const LEASE_MS = 30_000
const RENEW_EVERY_MS = 10_000
/** A part of the limit that an isolate may keep to spare while it answers. */
const SPARE_SHARES = 25
/** Of what runs: how much the number of answers swings from one second to the next by chance, and grows. */
const SPARE_OF_RUNNING = 1 / 8
const SPARE_MIN = 8
/** What was refused is not asked for again before. */
const BACK_OFF_MS = 250
/** Policy when the store fails: the places that it last gave, for a minute; then closed. */
const LAST_ANSWER_MS = 60_000
const STORE_RETRY_MS = 1_000
const ROUNDS_MAX = 8
/** Before idle ones are forgotten. */
const LEASES_MAX = 1_000

type Lease = {
  counter: Counter
  running: number
  held: number
  /** Those who wait for a place. */
  waiting: number
  answeredAtMs: number
  askAgainAtMs: number
  retryAtMs: number
  cause: unknown
  asking: { promise: Promise<void>; sinceMs: number } | undefined
  /** Something changed while the store was asked. */
  isStale: boolean
}

export function leasedStreams(options: {
  store: StreamStore
  nowMs: () => number
  sleep: (ms: number) => Promise<void>
  waitUntil: (promise: Promise<unknown>) => void
  /** Calls again and again, until what it returns is called or the request's context ends. */
  every: (ms: number, call: () => void) => () => void
  newHolderId: () => string
}): LeasedStreams {
  const { store, nowMs, sleep, waitUntil, every, newHolderId } = options
  const leases = new Map<string, Lease>()
  let holderId: string | undefined

  function tell(lease: Lease): Promise<void> {
    const current = lease.asking
    if (current && nowMs() - current.sinceMs < 2 * STORE_TIMEOUT_MS) {
      lease.isStale = true
      return current.promise
    }
    const promise = told(lease).finally(() => {
      if (lease.asking?.promise === promise) lease.asking = undefined
      if (lease.isStale && lease.held !== wanted(lease) && nowMs() >= lease.retryAtMs) void tell(lease)
      else if (lease.running === 0 && lease.held === 0 && lease.waiting === 0) leases.delete(keyOf(lease.counter))
    })
    lease.asking = { promise, sinceMs: nowMs() }
    lease.isStale = false
    waitUntil(promise)
    return promise
  }

  async function told(lease: Lease): Promise<void> {
    const now = nowMs()
    const { counter, running } = lease
    // Made late: random numbers are not to be had while an isolate starts.
    holderId ??= newHolderId()
    const want = wanted(lease)
    // From here on others may have what is let go of.
    lease.held = Math.min(lease.held, want)
    try {
      const held = await Promise.race([
        store.hold(counter, { holderId, running, want, nowMs: now, untilMs: now + LEASE_MS }),
        sleep(STORE_TIMEOUT_MS).then((): never => {
          throw new Error(`The store of limits has not answered within ${STORE_TIMEOUT_MS} ms.`)
        }),
      ])
      lease.held = held
      lease.answeredAtMs = nowMs()
      lease.retryAtMs = 0
      lease.askAgainAtMs = held > running || want <= running ? 0 : nowMs() + BACK_OFF_MS
    } catch (cause) {
      lease.cause = cause
      lease.retryAtMs = nowMs() + STORE_RETRY_MS
    }
  }

  function wanted(lease: Lease): number {
    return lease.running + lease.waiting + spareOf(lease)
  }

  function forgetIdle(): void {
    for (const [key, { running, waiting, answeredAtMs }] of leases) {
      if (running + waiting === 0 && nowMs() - answeredAtMs > LEASE_MS) leases.delete(key)
    }
  }

  function tryEnter(lease: Lease, now: number): 'entered' | 'ask' | 'refused' | 'failed' {
    const ageMs = now - lease.answeredAtMs
    const isFailing = now < lease.retryAtMs
    if (lease.running < lease.held && ageMs < (isFailing ? LAST_ANSWER_MS : LEASE_MS - STORE_TIMEOUT_MS))
      return 'entered'
    if (isFailing) return 'failed'
    return now < lease.askAgainAtMs ? 'refused' : 'ask'
  }

  function entered(lease: Lease): StreamVerdict {
    lease.running += 1
    const stop = every(RENEW_EVERY_MS, () => {
      if (nowMs() - lease.answeredAtMs >= RENEW_EVERY_MS - 1_000) void tell(lease)
    })
    const now = nowMs()
    const isOld = now - lease.answeredAtMs >= RENEW_EVERY_MS
    if ((isOld || lease.held - lease.running < spareOf(lease) / 2) && now >= lease.retryAtMs) void tell(lease)
    let left = false
    return {
      kind: 'entered',
      leave() {
        if (left) return
        left = true
        stop()
        lease.running -= 1
        // Where places are few they are free again at once; else what is to spare stays until the lease runs out.
        if (lease.held - lease.running > 2 * spareOf(lease)) void tell(lease)
      },
    }
  }

  async function enterWaiting(lease: Lease): Promise<StreamVerdict> {
    const { counter } = lease
    lease.waiting += 1
    try {
      for (let round = 0; round < ROUNDS_MAX; round++) {
        await Promise.race([tell(lease), sleep(STORE_TIMEOUT_MS + 100)])
        const outcome = tryEnter(lease, nowMs())
        if (outcome === 'entered') {
          // No longer waiting when it counts as running.
          lease.waiting -= 1
          const verdict = entered(lease)
          lease.waiting += 1
          return verdict
        }
        if (outcome !== 'ask') return outcomeOf(outcome, lease)
      }
    } finally {
      lease.waiting -= 1
    }
    return { kind: 'refused', counter }
  }

  function outcomeOf(outcome: 'refused' | 'failed', { counter, cause }: Lease): StreamVerdict {
    return outcome === 'refused' ? { kind: 'refused', counter } : { kind: 'failed', counter, cause }
  }

  return {
    enter(counter) {
      const key = keyOf(counter)
      let lease = leases.get(key)
      if (!lease) {
        if (leases.size >= LEASES_MAX) forgetIdle()
        lease = newLease(counter)
        leases.set(key, lease)
      }
      lease.counter = counter
      const outcome = tryEnter(lease, nowMs())
      if (outcome === 'entered') return entered(lease)
      return outcome === 'ask' ? enterWaiting(lease) : outcomeOf(outcome, lease)
    },
  }
}

function spareOf({ counter, running }: Lease): number {
  const wanted = SPARE_MIN + Math.ceil(running * SPARE_OF_RUNNING)
  return Math.min(wanted, Math.floor(counter.amount / SPARE_SHARES))
}

function newLease(counter: Counter): Lease {
  return {
    counter,
    running: 0,
    held: 0,
    waiting: 0,
    answeredAtMs: Number.NEGATIVE_INFINITY,
    askAgainAtMs: 0,
    retryAtMs: 0,
    cause: undefined,
    asking: undefined,
    isStale: false,
  }
}

function keyOf({ owner, name }: Counter): string {
  return `${owner}:${name}`
}
