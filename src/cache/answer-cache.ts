/**
 * The AnswerCache of the edge: the isolate's memory, stores behind it, and one call to the model for all who ask the same meanwhile.
 * Holds answers as the model gave them; whoever reads one filters it anew.
 */
import type {
  AnswerCache,
  CacheLook,
  CacheQuestion,
  ModelEvent,
  ModelEventStream,
  OpenAnswer,
  PaidByOthers,
  SharedAnswer,
} from '../chat/ports.ts'
import type { AnswerStore } from './answer-store.ts'
import { type Bell, bell } from './bell.ts'
import { driveFlight } from './drive-flight.ts'
import { FLIGHT_EVENTS_MAX, type Flight, join, newFlight, type Reader } from './flight.ts'
import { isMeant } from './is-meant.ts'
import { joinPieces } from './join-pieces.ts'
import { type CachePolicy, isSameAgain, mayShare } from './may-share.ts'
import type { MemoryCache } from './memory-cache.ts'
import { readFlight } from './read-flight.ts'
import { requestKey } from './request-key.ts'
import { fromText, isComplete, type StoredAnswer, toStored, toText } from './stored-answer.ts'

type Options = {
  memory: MemoryCache
  /** Nearest first. They must not reject, nor keep a request waiting. */
  stores: readonly AnswerStore[]
  ttlSeconds: number
  /** What the installation says of a tenant's model. */
  policyOf: (question: CacheQuestion) => CachePolicy
  /** Lets the request's work go on when its caller is gone. */
  waitUntil: (work: Promise<unknown>) => void
  now?: () => number
}

/** How long a request waits for what another one finds in the stores. */
const OTHERS_LOOK_MS = 1_000

export function answerCache(options: Options): AnswerCache {
  const { memory, stores, ttlSeconds, policyOf, waitUntil, now = Date.now } = options
  const flights = new Map<string, Flight>()
  /** Keys that a request looks for in the stores just now, and who waits for what it finds. */
  const looks = new Map<string, { begunAt: number; waiting: Set<Bell> }>()

  function remembered(key: string, { noCache, maxAgeSeconds }: CacheQuestion['directive']): CacheLook | undefined {
    if (noCache) return undefined
    const stored = memory.get(key)
    if (!stored) return undefined
    const ageSeconds = ageOf(stored)
    if (maxAgeSeconds !== undefined && ageSeconds > maxAgeSeconds) return undefined
    const { deployment, events } = stored
    return { kind: 'hit', ageSeconds, answer: { deployment, events: replay(stored), whole: events } }
  }

  /** Into the memory, from the nearest store that has it. */
  async function fetchInto(key: string): Promise<void> {
    for (const store of stores) {
      const text = await store.get(key)
      const stored = text === undefined ? undefined : fromText(text)
      if (!stored || ageOf(stored) >= ttlSeconds) continue
      memory.set(key, stored)
      return
    }
  }

  /** One request looks, and the others who ask the same wait for it. */
  async function lookInStores(key: string): Promise<void> {
    const other = looks.get(key)
    if (other && now() - other.begunAt < OTHERS_LOOK_MS) {
      const own = bell()
      other.waiting.add(own)
      const timer = setTimeout(own.ring, OTHERS_LOOK_MS)
      await own.rung()
      clearTimeout(timer)
      return
    }
    const look = { begunAt: now(), waiting: new Set<Bell>() }
    looks.set(key, look)
    await fetchInto(key)
    if (looks.get(key) === look) looks.delete(key)
    for (const other of look.waiting) other.ring()
  }

  function ageOf(stored: StoredAnswer): number {
    return Math.max(Math.floor((now() - stored.storedAt) / 1_000), 0)
  }

  function lead(key: string, question: CacheQuestion): { flight: Flight; reader: Reader } {
    const flight = newFlight(
      {
        sameAgain: isSameAgain(question.request),
        close: () => {
          if (flights.get(key) === flight) flights.delete(key)
        },
      },
      now(),
    )
    flights.set(key, flight)
    return { flight, reader: flight.driver.reader }
  }

  /** Resolves when nothing is left to do, the caller's own part or not. */
  async function drive(key: string, flight: Flight, question: CacheQuestion, open: OpenAnswer): Promise<void> {
    const { driver } = flight
    if (!(await driveFlight({ flight, driver, open, now, whole: () => remember(key, flight, question) }))) return
    const stored = memory.get(key)
    const text = stored && toText(stored)
    if (text !== undefined) await Promise.all(stores.map((store) => store.put(key, text, ttlSeconds)))
  }

  function remember(key: string, flight: Flight, { route }: CacheQuestion): void {
    const { deployment, batches, eventCount } = flight
    // What another model said while the one that is meant was away would be given for an hour.
    if (!deployment || !isMeant(route, deployment.model) || eventCount > FLIGHT_EVENTS_MAX) return
    const events = joinPieces(batches.flat())
    const stored = isComplete(events) ? toStored({ storedAt: now(), deployment, events }) : undefined
    if (stored) memory.set(key, stored)
  }

  async function share(
    key: string,
    question: CacheQuestion,
    open: OpenAnswer,
    signal: AbortSignal,
  ): Promise<SharedAnswer> {
    const { directive } = question
    if (directive.noStore) return { joined: false, answer: await open(signal), paidByOthers: () => NOTHING }
    // It may have come while limits were asked.
    const late = remembered(key, directive)
    if (late?.kind === 'hit') return { joined: true, answer: late.answer, paidByOthers: () => 'all' }
    const other = flights.get(key)
    const { flight, reader } = other ? { flight: other, reader: join(other) } : lead(key, question)
    const begin = () => waitUntil(drive(key, flight, question, open))
    if (!other) begin()
    const reading = readFlight({ flight, reader, signal, now, drive: begin })
    await reading.begun()
    return {
      joined: other !== undefined,
      // Sound: a flight that has begun says who answers.
      answer: { deployment: flight.deployment as StoredAnswer['deployment'], events: reading.events },
      paidByOthers: () => reader.paidByOthers,
    }
  }

  return {
    look(question) {
      const { request, directive } = question
      if (!mayShare(request, policyOf(question), directive.mode)) return undefined
      if (directive.noCache && directive.noStore) return undefined
      const key = requestKey(question)
      if (key === undefined) return undefined
      const miss: CacheLook = { kind: 'miss', share: (open, signal) => share(key, question, open, signal) }
      const hit = remembered(key, directive)
      if (hit) return hit
      if (directive.noCache || stores.length === 0 || flights.has(key)) return miss
      return lookInStores(key).then(() => remembered(key, directive) ?? miss)
    },
  }
}

const NOTHING: PaidByOthers = { promptTokens: 0, completionTokens: 0 }

/** All at once: whoever streams gets the pieces in one write. By hand, for a generator costs more than the rest of a hit. */
function replay({ events }: StoredAnswer): ModelEventStream {
  let isRead = false
  const iterator: AsyncIterator<readonly ModelEvent[], undefined> = {
    async next() {
      if (isRead) return { done: true, value: undefined }
      isRead = true
      return { done: false, value: events }
    },
    async return() {
      isRead = true
      return { done: true, value: undefined }
    },
  }
  return { [Symbol.asyncIterator]: () => iterator }
}
