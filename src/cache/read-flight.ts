/** One caller's reading of a flight, in the caller's own request: waits, notices when the driver is lost, and takes its place. */
import type { ModelEvent, ModelEventStream } from '../chat/ports.ts'
import { AppError } from '../errors.ts'
import {
  BEAT_MS,
  FLIGHT_EVENTS_MAX,
  type Flight,
  finish,
  isDriverLost,
  isOver,
  leave,
  newDriver,
  type Reader,
} from './flight.ts'

type Options = {
  flight: Flight
  reader: Reader
  /** Aborted when the caller hangs up. */
  signal: AbortSignal
  now: () => number
  /** Asks the model in this request, for whoever reads the flight. */
  drive: () => void
}

export type Reading = {
  /** Resolves when the model has begun to answer. Rejects with why it has not. */
  begun(): Promise<void>
  events: ModelEventStream
}

export function readFlight({ flight, reader, signal, now, drive }: Options): Reading {
  let gone = false
  let beat: ReturnType<typeof setInterval> | undefined

  function end(): void {
    clearInterval(beat)
    signal.removeEventListener('abort', onHangUp)
    if (flight.driver.reader === reader && !isOver(flight)) flight.driver.leftAt = now()
    leave(flight, reader)
  }

  function onHangUp(): void {
    gone = true
    end()
    reader.bell.ring()
  }

  if (signal.aborted) onHangUp()
  else signal.addEventListener('abort', onHangUp, { once: true })

  function takeOver(): void {
    if (flight.batches.length > 0 && !flight.sameAgain) {
      // Another draw would say something else from the first word on.
      finish(flight, new AppError('upstream_interrupted', 'The model stopped in the middle of its answer.'))
      return
    }
    const lost = flight.driver
    // Its own reader has no beat of its own yet, and may be alive after all.
    lost.reader.bell.ring()
    flight.driver = newDriver(reader, now())
    leave(flight, lost.reader)
    // If it is still alive it sees that it is replaced, and stops its model.
    lost.bell.ring()
    drive()
  }

  /** What ends this reader's part, if anything does. */
  function failure(): AppError | undefined {
    if (gone) return new AppError('caller_gone', 'The caller hung up.')
    const { driver } = flight
    if (driver.reader === reader && driver.failure) return driver.failure
    return flight.state === 'failed' ? flight.failure : undefined
  }

  async function wait(): Promise<void> {
    if (isDriverLost(flight, now()) && flight.driver.reader !== reader) takeOver()
    if (isOver(flight)) return
    // Wakes this reader to look around, and keeps its request alive while it waits for another's. Its own driver does both.
    if (flight.driver.reader !== reader) beat ??= setInterval(() => reader.bell.ring(), BEAT_MS)
    await reader.bell.rung()
  }

  function fail(error: AppError): never {
    end()
    throw error
  }

  function take(): readonly ModelEvent[] {
    const { batches } = flight
    const isAlone = flight.readers.size === 1 && flight.eventCount > FLIGHT_EVENTS_MAX
    const taken = batches.length - reader.at === 1 ? (batches[reader.at] ?? []) : batches.slice(reader.at).flat()
    // Nobody joins an answer of that length: what its one reader has is not needed again.
    if (isAlone) batches.fill([], reader.at)
    reader.at = batches.length
    return taken
  }

  const iterator: AsyncIterator<readonly ModelEvent[], undefined> = {
    async next() {
      for (;;) {
        if (!gone && reader.at < flight.batches.length) return { done: false, value: take() }
        const error = failure()
        if (error) fail(error)
        if (flight.state === 'complete') {
          end()
          return { done: true, value: undefined }
        }
        if (flight.wanted <= reader.at) {
          flight.wanted = reader.at + 1
          flight.driver.bell.ring()
        }
        await wait()
      }
    },
    async return() {
      gone = true
      end()
      return { done: true, value: undefined }
    },
  }

  return {
    async begun() {
      // The first events too, so that what fails before them can still become a status.
      for (;;) {
        const error = failure()
        if (error && flight.batches.length === 0) fail(error)
        if (gone) fail(new AppError('caller_gone', 'The caller hung up.'))
        if (flight.batches.length > 0 || isOver(flight)) return
        await wait()
      }
    },
    events: { [Symbol.asyncIterator]: () => iterator },
  }
}
