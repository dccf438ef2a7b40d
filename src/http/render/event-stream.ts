/** A completion as server-sent events: what its caller asked to see, one write per batch, and an honest end. */
import { type CallerView, visibleEvent } from '../../chat/caller-view.ts'
import type { ModelEvent, ModelEventStream } from '../../chat/ports.ts'
import { AppError, toAppError } from '../../errors.ts'
import { openAiError } from './error.ts'

const encoder = new TextEncoder()
export const DONE = 'data: [DONE]\n\n'

export type EventStream = {
  body: ReadableStream<Uint8Array>
  /** Resolves when the stream is over: with nothing after `[DONE]`, else with what ended it. Never rejects. */
  ending: Promise<AppError | undefined>
}

/**
 * Ends with `data: [DONE]` only when the answer is complete; a failure is an error event and the end, without `[DONE]` (design rule
 * 2). When the caller cancels the body, `hangUp` stops the model.
 */
export function eventStream(
  events: ModelEventStream,
  options: { view: CallerView; requestId: string; hangUp: () => void },
): EventStream {
  const { view, requestId, hangUp } = options
  const source = events[Symbol.asyncIterator]()
  const { promise: ending, resolve: end } = Promise.withResolvers<AppError | undefined>()

  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        for (;;) {
          const step = await source.next()
          if (step.done) {
            controller.enqueue(encoder.encode(DONE))
            controller.close()
            return end(undefined)
          }
          const text = eventText(step.value, view)
          if (text === '') continue
          return controller.enqueue(encoder.encode(text))
        }
      } catch (thrown) {
        const error = toAppError(thrown)
        end(error)
        if (error.code === 'caller_gone') return controller.error(error)
        controller.enqueue(encoder.encode(`data: ${JSON.stringify(openAiError(error, requestId))}\n\n`))
        controller.close()
      }
    },
    cancel() {
      hangUp()
      end(new AppError('caller_gone', 'The caller hung up.'))
    },
  })
  return { body, ending }
}

/** What its caller asked to see of it; empty when that is nothing. */
export function eventText(batch: readonly ModelEvent[], view: CallerView): string {
  let text = ''
  for (const event of batch) {
    const visible = visibleEvent(event, view)
    if (visible) text += `data: ${JSON.stringify(visible)}\n\n`
  }
  return text
}
