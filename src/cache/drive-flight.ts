/**
 * Reads the model's stream for all who read a flight, in the request that opened it, for no other may touch that stream. Reads when
 * a reader wants more, and goes on when its own caller is gone, as long as anybody reads.
 */
import type { ModelEventStream, OpenAnswer, OpenedAnswer } from '../chat/ports.ts'
import { type AppError, type ErrorCode, toAppError } from '../errors.ts'
import { afterWhatWasSaid } from './after-what-was-said.ts'
import { append, BEAT_MS, type Driver, type Flight, finish, wakeReaders } from './flight.ts'

/** What the model, or the way to it, says to one caller it would say to any other who asks the same. */
const THEIRS_TOO: ReadonlySet<ErrorCode> = new Set([
  'context_length_exceeded',
  'upstream_rejected',
  'upstream_rate_limited',
  'upstream_unavailable',
  'upstream_misconfigured',
  'upstream_interrupted',
  'upstream_overloaded',
  'upstream_timeout',
])

type Options = {
  flight: Flight
  driver: Driver
  open: OpenAnswer
  now: () => number
  /** Called when the answer is whole, before its readers know. */
  whole: () => void
}

/** Resolves when the driver is no longer needed: to true when the answer is complete. Never rejects. */
export async function driveFlight({ flight, driver, open, now, whole }: Options): Promise<boolean> {
  const stop = new AbortController()
  const isNeeded = () => flight.driver === driver && flight.readers.size > 0
  const beat = setInterval(() => {
    driver.beatAt = now()
    driver.bell.ring()
  }, BEAT_MS)

  /** The step's outcome; when nobody needs it any more the model is stopped, which ends the step too. */
  async function whileNeeded<Value>(step: Promise<Value>): Promise<Value> {
    let settled = false
    const settle = () => {
      settled = true
      driver.bell.ring()
    }
    step.then(settle, settle)
    while (!settled) {
      await driver.bell.rung()
      if (!isNeeded()) stop.abort()
    }
    return step
  }

  try {
    const opened = await whileNeeded(open(stop.signal))
    const source = eventsOf(flight, opened)[Symbol.asyncIterator]()
    if (isNeeded()) {
      flight.deployment ??= opened.deployment
      flight.state = 'running'
      wakeReaders(flight)
    }
    for (;;) {
      while (isNeeded() && flight.batches.length >= flight.wanted) await driver.bell.rung()
      if (!isNeeded()) {
        stop.abort()
        await source.return?.()
        return false
      }
      const step = await whileNeeded(source.next())
      if (flight.driver !== driver) continue
      if (step.done) {
        whole()
        finish(flight)
        return true
      }
      append(flight, step.value)
    }
  } catch (thrown) {
    if (flight.driver === driver) fail(flight, driver, toAppError(thrown))
    return false
  } finally {
    clearInterval(beat)
  }
}

function fail(flight: Flight, driver: Driver, error: AppError): void {
  if (flight.state === 'running' || THEIRS_TOO.has(error.code)) {
    finish(flight, error)
    return
  }
  // The others are not to suffer what happened to this one: the first of them to wake asks the model itself.
  driver.failure = error
  driver.lost = true
  wakeReaders(flight)
}

function eventsOf(flight: Flight, opened: OpenedAnswer): ModelEventStream {
  return flight.batches.length === 0 ? opened.events : afterWhatWasSaid(opened.events, flight.batches.flat())
}
