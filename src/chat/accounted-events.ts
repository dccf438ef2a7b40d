/** Watches an answer go by: has it paid for as it grows, and says once how it ended: complete, failed, cut short, or left by its caller. */
import type { Usage } from '../contract/chat-completion.ts'
import { type ErrorCode, toAppError } from '../errors.ts'
import type { Held } from './admit.ts'
import { cutShort } from './cut-short.ts'
import type { Covered, MeterSpan, ModelEvent, ModelEventStream, PaidByOthers } from './ports.ts'
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
  const open = new Set<number>()
  const finished = new Set<number>()
  let lastEvent: ModelEvent | undefined
  let ended = false
  /** `last`: what is paid for has been passed on; the next step ends the answer. */
  let course: 'running' | 'last' | 'over' = 'running'

  function end(code?: ErrorCode): void {
    if (ended) return
    ended = true
    signal.removeEventListener('abort', onHangUp)
    const usage = tally.usage()
    const spent = tally.spent()
    const costNano = held?.end(spent && due(spent, paidByOthers()))
    span.end(
      {
        status: code === undefined ? 'success' : 'error',
        ...(code === undefined ? {} : { code }),
        ...(usage === undefined ? {} : { usage }),
      },
      costNano,
    )
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
    note(step.value)
    const paid = paidByOthers()
    if (paid === 'all') return step
    const promptTokens = tally.promptTokens()
    const covered = held.cover({
      promptTokens: promptTokens === undefined ? undefined : Math.max(0, promptTokens - paid.promptTokens),
      completionTokens: tally.completionTokens() - paid.completionTokens,
    })
    return covered === true ? step : covered.then((verdict) => passOnIf(verdict, step), failFromStore)
  }

  /** Which choices there are, and which of them are done. */
  function note(batch: readonly ModelEvent[]): void {
    for (const event of batch) {
      lastEvent = event
      for (const { index, finish_reason } of event.choices) {
        if (finish_reason) {
          open.delete(index)
          finished.add(index)
        } else if (!finished.has(index)) open.add(index)
      }
    }
  }

  function passOnIf(covered: Covered, step: { done?: false; value: readonly ModelEvent[] }): Step | Promise<Step> {
    // An answer that is complete grows no more: only its usage is still to come.
    const saysNothing = step.value.every((event) => event.choices.length === 0)
    if (covered === 'paid' || (open.size === 0 && (covered === 'last' || saysNothing))) return step
    if (covered === 'unpaid') {
      // What is not sent did not finish anything for the caller.
      for (const event of step.value) for (const { index } of event.choices) open.add(index)
      return cut()
    }
    course = 'last'
    return step
  }

  /** The budget ends here, and the model stops. */
  async function cut(): Promise<Step> {
    course = 'over'
    end('insufficient_quota')
    await source.return?.()
    return lastEvent
      ? {
          done: false,
          value: cutShort(
            lastEvent,
            [...open].sort((a, b) => a - b),
            tally.usage(),
          ),
        }
      : { done: true, value: undefined }
  }

  /** Nobody can say whether there is money for more. */
  async function failFromStore(thrown: unknown): Promise<never> {
    course = 'over'
    const error = toAppError(thrown)
    end(error.code)
    await source.return?.()
    throw error
  }

  function fail(thrown: unknown): never {
    const error = toAppError(thrown)
    end(error.code)
    throw error
  }

  async function next(): Promise<Step> {
    if (course === 'over') return { done: true, value: undefined }
    if (course === 'last') return cut()
    return source.next().then(passOn, fail)
  }

  const iterator: AsyncIterator<readonly ModelEvent[], undefined> = {
    next,
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
