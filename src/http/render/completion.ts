/** Runs a parsed request through `complete` and answers as its caller asked: one JSON document, or a stream of events. */
import { assembleChat, assembleText } from '../../chat/assemble.ts'
import { callerView } from '../../chat/caller-view.ts'
import type { CallerRequest } from '../../chat/ports.ts'
import type { AppContext } from '../route.ts'
import { beginCompletion, STREAM_HEADERS } from './begin-completion.ts'
import { cacheHeaders } from './cache-headers.ts'
import { eventStream } from './event-stream.ts'

/** Throws an AppError as long as nothing has been sent. */
export async function respondWithCompletion(context: AppContext, request: CallerRequest): Promise<Response> {
  const { completion, hangUp } = await beginCompletion(context, request)
  const view = callerView(request)
  const headers = cacheHeaders(completion.cache)
  if (request.body.stream !== true) {
    const assemble = request.kind === 'chat' ? assembleChat : assembleText
    return context.json(await assemble(completion.events, view), 200, headers)
  }
  const { body, ending } = eventStream(completion.events, { view, requestId: context.get('requestId'), hangUp })
  context.set('ending', ending)
  return context.body(body, 200, { ...STREAM_HEADERS, ...headers })
}
