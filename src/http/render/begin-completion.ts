/** From a parsed request to a model that answers, whatever the shape of its route. */
import { complete } from '../../chat/complete.ts'
import type { CallerRequest, Completion } from '../../chat/ports.ts'
import { cacheDirective } from '../cache-directive.ts'
import { callerNote } from '../caller-note.ts'
import { callerPlace } from '../caller-place.ts'
import { countEndUser } from '../middleware/rate-limit.ts'
import { type AppContext, principalOf } from '../route.ts'

/** Users whose names begin alike for so long are counted together. */
const END_USER_CHARS_MAX = 256

export const STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  // Proxies that buffer would undo the streaming.
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
}

/** Throws an AppError as long as nothing has been sent. `hangUp` stops the model of a caller who streams. */
export async function beginCompletion(
  context: AppContext,
  request: CallerRequest,
): Promise<{ completion: Completion; hangUp: () => void }> {
  context.set('model', request.body.model)
  // OpenAI's name for whom the caller asks.
  const { user } = request.body
  if (typeof user === 'string' && user !== '') await countEndUser(context, user.slice(0, END_USER_CHARS_MAX))

  const isStream = request.body.stream === true
  let hangUp: AbortController | undefined
  const place = callerPlace(context)
  const completion = await complete(context.get('ports').complete, {
    principal: principalOf(context),
    request,
    requestId: context.get('requestId'),
    // Made when somebody asks for it: a remembered answer needs none.
    get signal() {
      if (!isStream) return context.req.raw.signal
      hangUp ??= hangUpOf(context.req.raw.signal)
      return hangUp.signal
    },
    caching: cacheDirective((name) => context.req.header(name)),
    caller: callerNote(context),
    ...(place ? { place } : {}),
  })
  return { completion, hangUp: () => hangUp?.abort() }
}

/** Two ways of hanging up, one signal: the request's own, and the cancel of a body that nobody reads. */
function hangUpOf(callerSignal: AbortSignal): AbortController {
  const hangUp = new AbortController()
  if (callerSignal.aborted) hangUp.abort()
  else callerSignal.addEventListener('abort', () => hangUp.abort(), { once: true })
  return hangUp
}
