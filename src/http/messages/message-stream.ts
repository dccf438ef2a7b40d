/** Anthropic's events on the wire: one write a batch, `message_stop` only after a complete answer, else an `error` event and the end. */
import type { ModelEventStream } from '../../chat/ports.ts'
import type { MessageEvent } from '../../contract/messages.ts'
import { AppError, toAppError } from '../../errors.ts'
import { anthropicError } from '../render/error.ts'
import type { EventStream } from '../render/event-stream.ts'
import { messageEvents } from './message-events.ts'

const encoder = new TextEncoder()

/** When the caller cancels the body, `hangUp` stops the model. */
export function messageStream(
  events: ModelEventStream,
  options: { stops: readonly string[]; requestId: string; hangUp: () => void },
): EventStream {
  const { stops, requestId, hangUp } = options
  const source = events[Symbol.asyncIterator]()
  const converter = messageEvents(stops)
  const { promise: ending, resolve: end } = Promise.withResolvers<AppError | undefined>()

  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const write = (messages: readonly MessageEvent[]) => controller.enqueue(encoder.encode(eventsText(messages)))
      try {
        for (;;) {
          const step = await source.next()
          if (step.done) {
            write(converter.end())
            controller.close()
            return end(undefined)
          }
          // Sound: what is asked as chat is answered as chat.
          const messages = step.value.flatMap((event) => converter.of(event as Parameters<typeof converter.of>[0]))
          if (messages.length > 0) return write(messages)
        }
      } catch (thrown) {
        const error = toAppError(thrown)
        end(error)
        if (error.code === 'caller_gone') return controller.error(error)
        // Where the converter gave up, the model still speaks.
        hangUp()
        write([anthropicError(error, requestId)])
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

function eventsText(messages: readonly MessageEvent[]): string {
  let text = ''
  for (const message of messages) text += `event: ${message.type}\ndata: ${JSON.stringify(message)}\n\n`
  return text
}
