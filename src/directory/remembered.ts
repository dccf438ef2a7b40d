/**
 * One kind of thing that D1 knows, in an isolate's memory: answers at once what is known and fresh, loads what is not, forgets what
 * changed. The rules of freshness stand here one below the other:
 *
 * 1. Known, and everything committed until 10 s ago has been heard of: from memory, without a wait.
 * 2. Known, but the last answer of the Config object is older: it is waited for, then as 1.
 * 3. Not known, or 2 failed: loaded from D1, one load a key at a time.
 * 4. D1 fails: what was true at most 15 minutes ago, from memory, else from the reserve.
 * 5. Otherwise store_unavailable: closed.
 *
 * In one file although it is long, because each rule is only right beside the others.
 */
import { AppError } from '../errors.ts'
import { boundedMap } from './bounded-map.ts'
import { CHANGES_MAX, type Change, RESERVE_SERVES_MS } from './change.ts'
import type { ChangeWatch, HearChanges } from './change-watch.ts'
import { forgotten } from './forgotten.ts'
import type { Reserve } from './reserve.ts'
import { type SetTimer, within } from './within.ts'

const FRESH_MS = 10_000
const LOAD_TIMEOUT_MS = 3_000
const RESERVE_TIMEOUT_MS = 2_000
/** While D1 fails it is tried again so often, in the background; until then rule 4 answers at once. */
const TRY_AGAIN_MS = 1_000
/** D1 counts as failing for so long after the last failure; who comes later finds out for himself. */
const FAILING_MS = 3_000
/** How often what is in use has its copy in the reserve confirmed. */
const CONFIRM_COPY_MS = 5 * 60_000
const COPY_AGAIN_MS = 3_000

const KEYS_MAX = 2_000
/** What is not there, when keys come from callers: kept apart, so that made-up keys do not push out real ones. */
const GUESSES_MAX = 1_000
/** A change tells earlier; this only bounds the harm of a write that forgot its row. */
const GUESS_MS = 30_000
/** Loads a second that may find nothing, in each isolate: beyond, made-up keys are refused before they reach D1. */
const FRUITLESS_LOADS_PER_SECOND = 100

export type Remember<Stored, Value> = {
  /** As the writers' rows in `change` have it; also the first part of the name in the reserve. */
  kind: string
  /** Asks D1. What it resolves to must survive JSON. `undefined` means that there is none, and is remembered too. */
  load(key: string): Promise<Stored | undefined>
  /** Makes of what is stored what is used, once a load: compiles patterns, prices, templates. Default: the same. */
  prepare?(stored: Stored | undefined, key: string): Value
  /** Which key a change makes stale. Default: its tenant. With `key`, a change without a subject makes all of the kind stale. */
  key?(change: Change): string
  /** How many keys are remembered. */
  keysMax?: number
  /** Anybody may make keys up, as with API keys: what is not there is remembered apart and shortly, and guessing is bounded. */
  keysFromCallers?: boolean
}

/** Synchronous when the memory knows. Rejects with store_unavailable when nobody can tell. */
export type Recall<Value> = (key: string) => Value | Promise<Value>

type Entry<Stored, Value> = {
  value: Value
  /** For the reserve. */
  stored: Stored | undefined
  verifiedAtMs: number
  copiedAtMs: number
}
type Flight<Value> = { result: Promise<Value>; startedAtMs: number; overtaken: boolean }

type Ports = {
  watch: ChangeWatch
  reserve: Reserve
  waitUntil: (promise: Promise<unknown>) => void
  nowMs: () => number
  setTimer: SetTimer
}

/** `hear` is for the watch: what it tells is forgotten. */
export function remembered<Stored, Value>(
  spec: Remember<Stored, Value>,
  ports: Ports,
): { recall: Recall<Value>; hear: HearChanges } {
  const { watch, reserve, waitUntil, nowMs, setTimer } = ports
  const known = boundedMap<Entry<Stored, Value>>(spec.keysMax ?? KEYS_MAX)
  const guesses = spec.keysFromCallers ? boundedMap<Entry<Stored, Value>>(GUESSES_MAX) : undefined
  const flights = new Map<string, Flight<Value>>()
  const stale = forgotten()
  let failedAtMs = Number.NEGATIVE_INFINITY
  let fruitlessSecond = 0
  let fruitlessLoads = 0

  /** What cannot be prepared is a mistake in one thing: no reason to believe that D1 fails. */
  function prepare(stored: Stored | undefined, key: string): Value {
    // Sound: without `prepare` Value is what is stored.
    if (!spec.prepare) return stored as Value
    try {
      return spec.prepare(stored, key)
    } catch (cause) {
      throw new AppError('internal_error', 'What is stored of this cannot be used.', { cause })
    }
  }

  function recall(key: string): Value | Promise<Value> {
    const now = nowMs()
    watch.keepAsking(now)
    const entry = entryOf(key, now)
    if (!entry) return loaded(key)
    const ageMs = now - trueAsOfMs(entry)
    if (ageMs <= FRESH_MS) {
      if (now - entry.copiedAtMs > CONFIRM_COPY_MS) copy(key, entry)
      return entry.value
    }
    if (now - failedAtMs < FAILING_MS && ageMs <= RESERVE_SERVES_MS) {
      if (now - failedAtMs >= TRY_AGAIN_MS) tryAgain(key, now)
      return entry.value
    }
    return verified(key)
  }

  function entryOf(key: string, now: number): Entry<Stored, Value> | undefined {
    const entry = known.get(key)
    if (entry || !guesses) return entry
    const guess = guesses.get(key)
    return guess && now - guess.verifiedAtMs <= GUESS_MS ? guess : undefined
  }

  /** What was true when it was loaded is true as long as no change was heard of. */
  function trueAsOfMs(entry: Entry<Stored, Value>): number {
    return Math.max(entry.verifiedAtMs, watch.knownAsOfMs())
  }

  async function verified(key: string): Promise<Value> {
    await watch.refresh()
    const now = nowMs()
    const entry = entryOf(key, now)
    return entry && now - trueAsOfMs(entry) <= FRESH_MS ? entry.value : loaded(key)
  }

  async function loaded(key: string): Promise<Value> {
    const now = nowMs()
    if (now - failedAtMs < TRY_AGAIN_MS) return lastKnown(key, new Error('D1 failed a moment ago.'))
    if (guesses && fruitlessLoads >= FRUITLESS_LOADS_PER_SECOND && secondOf(now) === fruitlessSecond) {
      throw unavailable(new Error(`${fruitlessLoads} keys that are not there were asked for in this second.`))
    }
    try {
      return await within(setTimer, LOAD_TIMEOUT_MS, flightOf(key, now))
    } catch (cause) {
      if (cause instanceof AppError) throw cause
      failed()
      return lastKnown(key, cause)
    }
  }

  function flightOf(key: string, now: number): Promise<Value> {
    const running = flights.get(key)
    // A load of a request whose context died never ends.
    if (running && now - running.startedAtMs < LOAD_TIMEOUT_MS) return running.result
    if (running) running.overtaken = true
    const flight = { startedAtMs: now, overtaken: false }
    const result = load(key, flight).finally(() => {
      if (flights.get(key)?.result === result) flights.delete(key)
    })
    flights.set(key, Object.assign(flight, { result }))
    // Others wait for it too: it must outlive the request that started it.
    waitUntil(result.catch(() => undefined))
    return result
  }

  async function load(key: string, flight: { startedAtMs: number; overtaken: boolean }): Promise<Value> {
    const stored = await spec.load(key)
    failedAtMs = Number.NEGATIVE_INFINITY
    const value = prepare(stored, key)
    const isGuess = guesses !== undefined && stored === undefined
    // A guess is never copied: anybody could fill the reserve.
    const copiedAtMs = isGuess ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
    const entry = { value, stored, verifiedAtMs: flight.startedAtMs, copiedAtMs }
    if (isGuess) countFruitless(nowMs())
    // A change that was heard of meanwhile may be newer than what was read.
    if (flight.overtaken) return value
    if (isGuess) guesses.set(key, entry)
    else {
      known.set(key, entry)
      copy(key, entry)
    }
    return value
  }

  function countFruitless(now: number): void {
    if (secondOf(now) !== fruitlessSecond) fruitlessLoads = 0
    fruitlessSecond = secondOf(now)
    fruitlessLoads += 1
  }

  function copy(key: string, entry: Entry<Stored, Value>): void {
    const verifiedAtMs = trueAsOfMs(entry)
    if (stale.isSince(key, verifiedAtMs)) {
      // Changed just now: nobody would take this copy. The next use after a while makes one.
      entry.copiedAtMs = nowMs() - CONFIRM_COPY_MS + COPY_AGAIN_MS
      return
    }
    entry.copiedAtMs = nowMs()
    // Open: without its copy the next outage is closed for this key, and nothing else.
    const kept = reserve.keep(spec.kind, key, { verifiedAtMs, value: entry.stored })
    waitUntil(kept.catch(() => undefined))
  }

  function failed(cause?: unknown): void {
    if (!(cause instanceof AppError)) failedAtMs = nowMs()
  }

  function tryAgain(key: string, now: number): void {
    failedAtMs = now
    waitUntil(within(setTimer, LOAD_TIMEOUT_MS, flightOf(key, now)).catch(failed))
  }

  /** Rules 4 and 5. */
  async function lastKnown(key: string, cause: unknown): Promise<Value> {
    const entry = entryOf(key, nowMs())
    if (entry && nowMs() - trueAsOfMs(entry) <= RESERVE_SERVES_MS) return entry.value
    // The object may be reached although D1 is not: it tells which copies are stale.
    if (nowMs() - watch.knownAsOfMs() > FRESH_MS) await watch.refresh()
    const copied = await within(setTimer, RESERVE_TIMEOUT_MS, reserve.read(spec.kind, key)).catch(() => undefined)
    if (!copied || nowMs() - copied.verifiedAtMs > RESERVE_SERVES_MS || stale.isSince(key, copied.verifiedAtMs)) {
      throw unavailable(cause)
    }
    const { verifiedAtMs } = copied
    // Sound: `copy` wrote what `load` had resolved to.
    const stored = copied.value as Stored | undefined
    const value = prepare(stored, key)
    known.set(key, { value, stored, verifiedAtMs, copiedAtMs: verifiedAtMs })
    return value
  }

  function hear(changes: readonly Change[], everything: boolean): void {
    if (everything) {
      forgetAll()
      const [oldest] = changes
      // As many as are kept: there may have been others before them.
      if (oldest && changes.length >= CHANGES_MAX) stale.noteAll(oldest.atMs)
    }
    for (const change of changes) {
      if (change.kind === spec.kind) forget(change)
    }
  }

  function forget(change: Change): void {
    const key = keyOf(change)
    if (key === undefined) {
      forgetAll()
      stale.noteAll(change.atMs)
      return
    }
    stale.note(key, change.atMs)
    if (known.get(key)) waitUntil(reserve.drop(spec.kind, key).catch(() => undefined))
    known.delete(key)
    guesses?.delete(key)
    overtake(key)
  }

  function keyOf(change: Change): string | undefined {
    if (!spec.key) return change.tenantId
    return change.subject === '' ? undefined : spec.key(change)
  }

  function forgetAll(): void {
    known.clear()
    guesses?.clear()
    for (const key of [...flights.keys()]) overtake(key)
  }

  /** Whoever comes now must not join it: it may have read before the change. */
  function overtake(key: string): void {
    const flight = flights.get(key)
    if (!flight) return
    flight.overtaken = true
    flights.delete(key)
  }

  return { recall, hear }
}

function secondOf(ms: number): number {
  return Math.floor(ms / 1_000)
}

function unavailable(cause: unknown): AppError {
  return new AppError('store_unavailable', 'What this request needs to know cannot be read now. Send it again.', {
    cause,
    retryAfterSeconds: 1,
  })
}
