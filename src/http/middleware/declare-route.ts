/** Says which route a request is on before anything can fail, so that its errors have its shape. */
import type { MiddlewareHandler } from 'hono'
import type { AppEnv, Route } from '../route.ts'

export function declareRoute(route: Route): MiddlewareHandler<AppEnv> {
  return async (context, next) => {
    context.set('route', route)
    await next()
  }
}
