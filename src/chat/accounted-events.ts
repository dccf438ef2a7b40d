/** Watches an answer go by: has it paid for as it grows, and says once how it ended: complete, failed, cut short, or left by its caller. */
import { type ErrorCode, toAppError } from '../errors.ts'
import type { Held } from './admit.ts'
import { cutShort } from './cut-short.ts'
import type { MeterSpan, ModelEvent, ModelEventStream } from './ports.ts'
import { usageTally } from './usage-tally.ts'

type Options = {
  span: MeterSpan
  /** Absent for an answer from the cache. */
  held: Held | undefined
  /** Whether this caller pays for what is generated: not who joined another's answer. */
  pays: boolean
  signal: AbortSignal
}

export type AccountedEvents = {
  events: ModelEventStream
  /** The output filter ends the answer. To be called before it returns the stream. */
  blocked(): void
}

/** Passes the events on unchanged. By hand rather than as a generator: `return` must reach the model while `next` still waits. */
export function accountedEvents(events: ModelEventStream, { span, held, pays, signal }: Options): AccountedEvents {
  const source = events[Symbol.asyncIterator]()
  const tally = usageTally()
  let ended = false
  let isCut = false

  function end(code?: ErrorCode): void {
    if (ended) return
    ended = true
    signal.removeEventListener('abort', onHangUp)
    const usage = tally.usage()
    held?.end(pays ? usage : undefined)
    span.end({
      status: code === undefined ? 'success' : 'error',
      ...(code === undefined ? {} : { code }),
      ...(usage === undefined ? {} : { usage }),
    })
  }

  // A caller who is gone may never ask for the next event.
  const onHangUp = () => end('caller_gone')
  signal.addEventListener('abort', onHangUp, { once: true })

  type Step = IteratorResult<readonly ModelEvent[], undefined>

  function passOn(step: IteratorResult<readonly ModelEvent[]>): Step | Promise<Step> {
    if (step.done) {
      end()
      return { done: true, value: undefined }
    }
    tally.add(step.value)
    if (!held || !pays || ended) return step
    const covered = held.cover(tally.completionTokens())
    return covered === true ? step : covered.then((paid) => (paid ? step : cut(step.value)))
  }

  /** The budget ends here: what was not paid for is not sent, and the model stops. */
  async function cut(batch: readonly ModelEvent[]): Promise<Step> {
    isCut = true
    end('insufficient_quota')
    await source.return?.()
    return { done: false, value: cutShort(batch, tally.usage()) }
  }

  function fail(thrown: unknown): never {
    const error = toAppError(thrown)
    end(error.code)
    throw error
  }

  const iterator: AsyncIterator<readonly ModelEvent[], undefined> = {
    next: () => (isCut ? Promise.resolve({ done: true, value: undefined }) : source.next().then(passOn, fail)),
    async return() {
      end('caller_gone')
      await source.return?.()
      return { done: true, value: undefined }
    },
  }
  return { events: { [Symbol.asyncIterator]: () => iterator }, blocked: () => end('content_blocked') }
}
