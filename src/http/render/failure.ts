/** What the app answers when a handler throws, when a path has no such method, and when there is no such path. */
import { AppError, toAppError } from '../../errors.ts'
import type { AppContext, ErrorShape, Route } from '../route.ts'
import { errorResponse } from './error.ts'

/** For Hono's onError. The one place where a thrown error becomes a status. */
export function answerError(thrown: unknown, context: AppContext): Response {
  const error = toAppError(thrown)
  const route = context.get('route')
  return answer(context, error, route ? route.errors : shapeOfUnknownPath(context.req.path))
}

/** For Hono's notFound. Needs no key: which routes there are is public in /openapi.json. */
export function answerUnknownRoute(routes: readonly Route[]): (context: AppContext) => Response {
  const patterns = routes.map((route) => ({ route, matches: matcher(route.path) }))
  return (context) => {
    const { path } = context.req
    const samePath = patterns.filter(({ matches }) => matches(path)).map(({ route }) => route)
    const [known] = samePath
    if (!known) {
      return answer(
        context,
        new AppError('not_found', 'There is no such route. GET /docs lists those there are.'),
        shapeOfUnknownPath(path),
      )
    }
    context.set('route', known)
    const methods = samePath.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
    const error = new AppError('method_not_allowed', `This route takes ${methods.join(', ')} only.`)
    const response = answer(context, error, known.errors)
    // RFC 9110 15.5.6.
    response.headers.set('allow', methods.join(', '))
    return response
  }
}

function answer(context: AppContext, error: AppError, shape: ErrorShape): Response {
  context.set('failure', error)
  return errorResponse(error, shape, context.get('requestId'))
}

/** Under /v1 callers are OpenAI's clients, which read its envelope. */
function shapeOfUnknownPath(path: string): ErrorShape {
  return path === '/v1' || path.startsWith('/v1/') ? 'openai' : 'problem'
}

/** Our patterns have two kinds of parts: text, and one parameter. */
function matcher(pattern: string): (path: string) => boolean {
  const expression = new RegExp(`^${pattern.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')}$`)
  return (path) => expression.test(path)
}
