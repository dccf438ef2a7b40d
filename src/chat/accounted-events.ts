/** Watches an answer go by: has it paid for as it grows, and says once how it ended: complete, failed, cut short, or left by its caller. */
import type { Usage } from '../contract/chat-completion.ts'
import { type ErrorCode, toAppError } from '../errors.ts'
import type { Held } from './admit.ts'
import { cutShort } from './cut-short.ts'
import type { MeterSpan, ModelEvent, ModelEventStream, PaidByOthers } from './ports.ts'
import { usageTally } from './usage-tally.ts'

type Options = {
  span: MeterSpan
  /** Absent for an answer from the cache. */
  held: Held | undefined
  /** What this caller does not pay for: all of it who joined another's answer. Asked when it is needed, for that caller may leave. */
  paidByOthers: () => PaidByOthers
  signal: AbortSignal
}

export type AccountedEvents = {
  events: ModelEventStream
  /** The output filter ends the answer. To be called before it returns the stream. */
  blocked(): void
}

/** Passes the events on unchanged. By hand rather than as a generator: `return` must reach the model while `next` still waits. */
export function accountedEvents(
  events: ModelEventStream,
  { span, held, paidByOthers, signal }: Options,
): AccountedEvents {
  const source = events[Symbol.asyncIterator]()
  const tally = usageTally()
  let ended = false
  let isCut = false

  function end(code?: ErrorCode): void {
    if (ended) return
    ended = true
    signal.removeEventListener('abort', onHangUp)
    const usage = tally.usage()
    held?.end(usage && due(usage, paidByOthers()))
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
    if (!held || ended) return step
    const paid = paidByOthers()
    if (paid === 'all') return step
    const covered = held.cover(tally.completionTokens() - paid.completionTokens)
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

/** Undefined when all is paid for. */
function due(usage: Usage, paid: PaidByOthers): Usage | undefined {
  if (paid === 'all') return undefined
  if (paid.promptTokens === 0 && paid.completionTokens === 0) return usage
  const prompt = Math.max(usage.prompt_tokens - paid.promptTokens, 0)
  const completion = Math.max(usage.completion_tokens - paid.completionTokens, 0)
  return { ...usage, prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion }
}
