/** The same in Anthropic's shape: one message, or a stream of its named events. */
import { assembleChat } from '../../chat/assemble.ts'
import type { ChatRequest } from '../../contract/chat-completion.ts'
import { messageOf } from '../messages/message-of.ts'
import { messageStream } from '../messages/message-stream.ts'
import type { AppContext } from '../route.ts'
import { beginCompletion, STREAM_HEADERS } from './begin-completion.ts'
import { cacheHeaders } from './cache-headers.ts'

/** Throws an AppError as long as nothing has been sent. @param stops the caller's stop sequences */
export async function respondWithMessage(
  context: AppContext,
  body: ChatRequest,
  stops: readonly string[],
): Promise<Response> {
  const { completion, hangUp } = await beginCompletion(context, { kind: 'chat', body })
  const requestId = context.get('requestId')
  // Anthropic's clients show it in their errors.
  const headers = { ...cacheHeaders(completion.cache), 'request-id': requestId }
  if (body.stream !== true) {
    return context.json(messageOf(await assembleChat(completion.events, { tokenIds: false }), stops), 200, headers)
  }
  const stream = messageStream(completion.events, { stops, requestId, hangUp })
  context.set('ending', stream.ending)
  return context.body(stream.body, 200, { ...STREAM_HEADERS, ...headers })
}
