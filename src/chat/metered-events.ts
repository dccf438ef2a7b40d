/** Watches an answer go by and tells the meter how it ended, once: complete, failed, or left by its caller. */
import { type ErrorCode, toAppError } from '../errors.ts'
import type { MeterSpan, ModelEvent, ModelEventStream } from './ports.ts'
import { usageTally } from './usage-tally.ts'

/** Passes the events on unchanged. By hand rather than as a generator: `return` must reach the model while `next` still waits. */
export function meteredEvents(events: ModelEventStream, span: MeterSpan, signal: AbortSignal): ModelEventStream {
  const source = events[Symbol.asyncIterator]()
  const tally = usageTally()
  let ended = false

  function end(code?: ErrorCode): void {
    if (ended) return
    ended = true
    signal.removeEventListener('abort', onHangUp)
    const usage = tally.usage()
    span.end({
      status: code === undefined ? 'success' : 'error',
      ...(code === undefined ? {} : { code }),
      ...(usage === undefined ? {} : { usage }),
    })
  }

  // A caller who is gone may never ask for the next event.
  const onHangUp = () => end('caller_gone')
  signal.addEventListener('abort', onHangUp, { once: true })

  function passOn(step: IteratorResult<readonly ModelEvent[]>): IteratorResult<readonly ModelEvent[], undefined> {
    if (step.done) {
      end()
      return { done: true, value: undefined }
    }
    tally.add(step.value)
    return step
  }

  function fail(thrown: unknown): never {
    const error = toAppError(thrown)
    end(error.code)
    throw error
  }

  const iterator: AsyncIterator<readonly ModelEvent[], undefined> = {
    next: () => source.next().then(passOn, fail),
    async return() {
      end('caller_gone')
      await source.return?.()
      return { done: true, value: undefined }
    },
  }
  return { [Symbol.asyncIterator]: () => iterator }
}
