/** Runs a parsed request through `complete` and answers as its caller asked: one JSON document, or a stream of events. */
import { assembleChat, assembleText } from '../../chat/assemble.ts'
import { callerView } from '../../chat/caller-view.ts'
import { complete } from '../../chat/complete.ts'
import type { CacheNote, CallerRequest } from '../../chat/ports.ts'
import { cacheDirective } from '../cache-directive.ts'
import { limitHeadersNow } from '../middleware/limit-headers.ts'
import { countEndUser } from '../middleware/rate-limit.ts'
import { type AppContext, principalOf } from '../route.ts'
import { cacheHeaders } from './cache-headers.ts'
import { eventStream } from './event-stream.ts'
import { wholeAnswerText } from './whole-answer.ts'

const JSON_HEADERS = { 'content-type': 'application/json' }

const STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  // Proxies that buffer would undo the streaming.
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
}

/** Users whose names begin alike for so long are counted together. */
const END_USER_CHARS_MAX = 256

/** Throws an AppError as long as nothing has been sent. */
export async function respondWithCompletion(context: AppContext, request: CallerRequest): Promise<Response> {
  const requestId = context.get('requestId')
  context.set('model', request.body.model)
  // OpenAI's name for whom the caller asks.
  const { user } = request.body
  if (typeof user === 'string' && user !== '') await countEndUser(context, user.slice(0, END_USER_CHARS_MAX))

  const isStream = request.body.stream === true
  let hangUp: AbortController | undefined
  const completion = await complete(context.get('ports').complete, {
    principal: principalOf(context),
    request,
    requestId,
    // Made when somebody asks for it: a remembered answer needs none.
    get signal() {
      if (!isStream) return context.req.raw.signal
      hangUp ??= hangUpOf(context.req.raw.signal)
      return hangUp.signal
    },
    caching: cacheDirective((name) => context.req.header(name)),
  })
  const view = callerView(request)
  if (completion.whole) {
    return answer(context, wholeAnswerText(completion.whole, { kind: request.kind, isStream, view }), {
      isStream,
      note: completion.cache,
    })
  }
  if (!isStream) {
    const assemble = request.kind === 'chat' ? assembleChat : assembleText
    const text = JSON.stringify(await assemble(completion.events, view))
    return answer(context, text, { isStream, note: completion.cache })
  }
  const { body, ending } = eventStream(completion.events, { view, requestId, hangUp: () => hangUp?.abort() })
  context.set('ending', ending)
  return answer(context, body, { isStream, note: completion.cache })
}

function answer(
  context: AppContext,
  body: string | ReadableStream<Uint8Array>,
  { isStream, note }: { isStream: boolean; note: CacheNote },
): Response {
  const headers = {
    ...(isStream ? STREAM_HEADERS : JSON_HEADERS),
    ...cacheHeaders(note),
    ...limitHeadersNow(context),
    'x-request-id': context.get('requestId'),
  }
  context.set('hasHeaders', true)
  return new Response(body, { headers })
}

/** Two ways of hanging up, one signal: the request's own, and the cancel of a body that nobody reads. */
function hangUpOf(callerSignal: AbortSignal): AbortController {
  const hangUp = new AbortController()
  if (callerSignal.aborted) hangUp.abort()
  else callerSignal.addEventListener('abort', () => hangUp.abort(), { once: true })
  return hangUp
}
