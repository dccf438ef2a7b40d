/** Runs a parsed request through `complete` and answers as its caller asked: one JSON document, or a stream of events. */
import { assembleChat, assembleText } from '../../chat/assemble.ts'
import { callerView } from '../../chat/caller-view.ts'
import { complete } from '../../chat/complete.ts'
import type { CallerRequest } from '../../chat/ports.ts'
import { cacheDirective } from '../cache-directive.ts'
import { callerPlace } from '../caller-place.ts'
import { countEndUser } from '../middleware/rate-limit.ts'
import { type AppContext, principalOf } from '../route.ts'
import { cacheHeaders } from './cache-headers.ts'
import { eventStream } from './event-stream.ts'

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
  const callerSignal = context.req.raw.signal
  context.set('model', request.body.model)
  // OpenAI's name for whom the caller asks.
  const { user } = request.body
  if (typeof user === 'string' && user !== '') await countEndUser(context, user.slice(0, END_USER_CHARS_MAX))

  // Two ways of hanging up, one signal: the request's own, and the cancel of a body that nobody reads.
  const hangUp = new AbortController()
  if (callerSignal.aborted) hangUp.abort()
  else callerSignal.addEventListener('abort', () => hangUp.abort(), { once: true })

  const place = callerPlace(context)
  const completion = await complete(context.get('ports').complete, {
    principal: principalOf(context),
    request,
    requestId,
    signal: hangUp.signal,
    caching: cacheDirective((name) => context.req.header(name)),
    ...(place ? { place } : {}),
  })
  const view = callerView(request)
  const headers = cacheHeaders(completion.cache)
  if (request.body.stream !== true) {
    const assemble = request.kind === 'chat' ? assembleChat : assembleText
    return context.json(await assemble(completion.events, view), 200, headers)
  }
  const { body, ending } = eventStream(completion.events, { view, requestId, hangUp: () => hangUp.abort() })
  context.set('ending', ending)
  return context.body(body, 200, { ...STREAM_HEADERS, ...headers })
}
