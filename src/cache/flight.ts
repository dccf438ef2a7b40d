/**
 * One answer that is being given, and all who read it. State alone: what happens in whose request is in drive-flight.ts and
 * read-flight.ts. The events are a list from which each reader takes at its own pace.
 */
import type { ModelEvent, OpenedAnswer, PaidByOthers } from '../chat/ports.ts'
import type { AppError } from '../errors.ts'
import { type Bell, bell } from './bell.ts'

export type Reader = {
  bell: Bell
  /** How many batches it has taken. */
  at: number
  /** What others have paid for; `all` until the reader who pays leaves before the end and this one is the next. */
  paidByOthers: PaidByOthers
}

export type Flight = {
  state: 'opening' | 'running' | 'complete' | 'failed'
  /** Set from `running` on. */
  deployment: OpenedAnswer['deployment'] | undefined
  batches: (readonly ModelEvent[])[]
  eventCount: number
  failure: AppError | undefined
  /** In the order in which they came: the first pays. */
  readers: Set<Reader>
  /** Batches that some reader waits for. */
  wanted: number
  /** Batches that a reader who left has paid for. */
  paidBatches: number
  /** The request that reads from the model. Another one takes its place when it is `lost`. */
  driver: Driver
  /** Whether the model gives the same answer to whoever asks again. */
  sameAgain: boolean
  /** Nobody joins from now on. May be called again. */
  close(): void
}

/** The request in which the model's stream lives: nobody else may touch that. */
export type Driver = {
  bell: Bell
  /** Milliseconds since 1970: it was alive then. */
  beatAt: number
  /** When its caller left; the platform lets it go on for a while. */
  leftAt: number | undefined
  lost: boolean
  /** The driver's own caller, and what ended only it. */
  reader: Reader
  failure: AppError | undefined
}

/** How often whoever waits looks around. Also what keeps its request alive. */
export const BEAT_MS = 2_000
/** A driver that has missed so many beats was ended by the platform. */
const SILENT_MS = 5 * BEAT_MS
/** The platform ends a request 30 s after its caller left. */
const AFTER_LEAVING_MS = 25_000
/** Beyond it nobody joins any more, and nothing is kept. */
export const FLIGHT_EVENTS_MAX = 16_384

export function newFlight(options: Pick<Flight, 'sameAgain' | 'close'>, now: number): Flight {
  const reader = newReader(NOTHING)
  return {
    ...options,
    state: 'opening',
    deployment: undefined,
    batches: [],
    eventCount: 0,
    failure: undefined,
    readers: new Set([reader]),
    wanted: 1,
    paidBatches: 0,
    driver: newDriver(reader, now),
  }
}

export function newDriver(reader: Reader, now: number): Driver {
  return { bell: bell(), beatAt: now, leftAt: undefined, lost: false, reader, failure: undefined }
}

export function isOver({ state }: Flight): boolean {
  return state === 'complete' || state === 'failed'
}

export function isDriverLost({ driver }: Flight, now: number): boolean {
  if (driver.lost || now - driver.beatAt > SILENT_MS) return true
  return driver.leftAt !== undefined && now - driver.leftAt > AFTER_LEAVING_MS
}

export function append(flight: Flight, batch: readonly ModelEvent[]): void {
  flight.batches.push(batch)
  flight.eventCount += batch.length
  if (flight.eventCount > FLIGHT_EVENTS_MAX) flight.close()
  wakeReaders(flight)
}

export function finish(flight: Flight, failure?: AppError): void {
  flight.state = failure ? 'failed' : 'complete'
  flight.failure = failure
  flight.close()
  wakeReaders(flight)
}

export function wakeReaders(flight: Flight): void {
  for (const reader of flight.readers) reader.bell.ring()
}

export function join(flight: Flight): Reader {
  const reader = newReader('all')
  flight.readers.add(reader)
  return reader
}

/** Once or more. Whoever paid hands that on, from where it stopped reading; after the last one nobody needs the model. */
export function leave(flight: Flight, reader: Reader): void {
  if (!flight.readers.delete(reader)) return
  const paid = reader.paidByOthers !== 'all'
  if (paid) flight.paidBatches = Math.max(flight.paidBatches, reader.at)
  const [heir] = flight.readers
  if (!heir) {
    flight.close()
    flight.driver.bell.ring()
  } else if (paid && !(isOver(flight) && flight.paidBatches === flight.batches.length)) {
    heir.paidByOthers = tokensOf(flight.batches.slice(0, flight.paidBatches))
  }
}

function newReader(paidByOthers: PaidByOthers): Reader {
  return { bell: bell(), at: 0, paidByOthers }
}

const NOTHING: PaidByOthers = { promptTokens: 0, completionTokens: 0 }

function tokensOf(batches: readonly (readonly ModelEvent[])[]): PaidByOthers {
  let promptTokens = 0
  let completionTokens = 0
  for (const event of batches.flat()) {
    if ('prompt_token_ids' in event) promptTokens = event.prompt_token_ids?.length ?? promptTokens
    for (const choice of event.choices) {
      completionTokens += choice.token_ids?.length ?? 0
      if ('prompt_token_ids' in choice) promptTokens = choice.prompt_token_ids?.length ?? promptTokens
    }
  }
  return { promptTokens, completionTokens }
}
