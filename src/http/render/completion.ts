/** Runs a parsed request through `complete` and answers as its caller asked: one JSON document, or a stream of events. */
import { assembleChat, assembleText } from '../../chat/assemble.ts'
import { callerView } from '../../chat/caller-view.ts'
import type { CallerRequest, Completion } from '../../chat/ports.ts'
import { limitHeadersNow } from '../middleware/limit-headers.ts'
import type { AppContext } from '../route.ts'
import { beginCompletion, STREAM_HEADERS } from './begin-completion.ts'
import { cacheHeaders } from './cache-headers.ts'
import { eventStream } from './event-stream.ts'
import { promptHeader } from './prompt-header.ts'
import { wholeAnswerText } from './whole-answer.ts'

const JSON_HEADERS = { 'content-type': 'application/json' }

/** Throws an AppError as long as nothing has been sent. */
export async function respondWithCompletion(context: AppContext, request: CallerRequest): Promise<Response> {
  const { completion, hangUp } = await beginCompletion(context, request)
  const isStream = request.body.stream === true
  const view = callerView(request)
  if (completion.whole) {
    return answer(context, wholeAnswerText(completion.whole, { kind: request.kind, isStream, view }), {
      isStream,
      completion,
    })
  }
  if (!isStream) {
    const assemble = request.kind === 'chat' ? assembleChat : assembleText
    const text = JSON.stringify(await assemble(completion.events, view))
    return answer(context, text, { isStream, completion })
  }
  const { body, ending } = eventStream(completion.events, { view, requestId: context.get('requestId'), hangUp })
  context.set('ending', ending)
  return answer(context, body, { isStream, completion })
}

function answer(
  context: AppContext,
  body: string | ReadableStream<Uint8Array>,
  { isStream, completion }: { isStream: boolean; completion: Completion },
): Response {
  const headers = {
    ...(isStream ? STREAM_HEADERS : JSON_HEADERS),
    ...cacheHeaders(completion.cache),
    ...promptHeader(completion.prompt),
    ...limitHeadersNow(context),
    'x-request-id': context.get('requestId'),
  }
  context.set('hasHeaders', true)
  return new Response(body, { headers })
}
