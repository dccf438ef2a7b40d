/** Tells the isolate where it is: only requests know. */
import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from '../route.ts'

export function tellRegion(): MiddlewareHandler<AppEnv> {
  return async (context, next) => {
    const { cf } = context.req.raw
    if (cf) context.get('ports').health.tellRegion(cf.continent)
    await next()
  }
}
