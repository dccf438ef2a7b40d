/** Anthropic's protocol over HTTP: a chat request out, its named events in. */
import type { Upstream } from '../../chat/ports.ts'
import { AppError } from '../../errors.ts'
import { type HttpEndpoint, httpUpstream } from '../http-upstream.ts'
import type { ReadEvent } from '../model-event.ts'
import { chatChunks } from './chat-chunks.ts'
import { toMessagesRequest } from './to-messages-request.ts'

/** The only version that there is; Anthropic asks for it. */
const VERSION = '2023-06-01'
const PATH = '/messages'

export function messagesUpstream(endpoint: HttpEndpoint): Upstream {
  return httpUpstream(endpoint, {
    body(call) {
      if (call.request.kind === 'text') {
        throw new AppError('upstream_rejected', 'This model takes chat completions only.', { param: 'prompt' })
      }
      return toMessagesRequest(call.request.body, call.model)
    },
    gathering: () => undefined,
    paths: { chat: PATH, text: PATH },
    headers: { 'anthropic-version': VERSION },
    eventReader: messageReader,
  })
}

function messageReader(): ReadEvent {
  const read = chatChunks(() => Date.now() / 1_000)
  return (data) => {
    const said = read(data)
    if (said.kind !== 'chunks') return said
    const finished = said.chunks.flatMap(({ choices }) => choices.flatMap((it) => (it.finish_reason ? [it.index] : [])))
    return { kind: 'events', events: said.chunks, finishedChoices: finished }
  }
}
