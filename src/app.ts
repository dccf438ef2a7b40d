/** Table of contents of the edge: middleware in its order, then the routes, then what happens when nothing fits or something fails. src/edge.ts makes two. */
import { Hono } from 'hono'
import type { Env } from './env.ts'
import { accessLog } from './http/middleware/access-log.ts'
import { authenticate } from './http/middleware/authenticate.ts'
import { bodyLimit } from './http/middleware/body-limit.ts'
import { cors } from './http/middleware/cors.ts'
import { declareRoute } from './http/middleware/declare-route.ts'
import { limitHeaders } from './http/middleware/limit-headers.ts'
import { providePorts } from './http/middleware/ports.ts'
import { rateLimit } from './http/middleware/rate-limit.ts'
import { tellRegion } from './http/middleware/region.ts'
import { requestId } from './http/middleware/request-id.ts'
import type { RequestPorts } from './http/ports.ts'
import { answerError, answerUnknownRoute } from './http/render/failure.ts'
import type { AppEnv, Route } from './http/route.ts'

/** `portsOf` is called once per request and must remember what it made. With RequestPorts alone the routes must be the eager ones. */
export function createApp(portsOf: (env: Env) => RequestPorts, routes: readonly Route[]): Hono<AppEnv> {
  const app = new Hono<AppEnv>()

  app.use(requestId())
  app.use(accessLog())
  app.use(cors())
  app.use(providePorts(portsOf))
  app.use(tellRegion())

  for (const route of routes) {
    app.on(
      route.method,
      route.path,
      declareRoute(route),
      ...(route.body ? [bodyLimit(route.body)] : []),
      ...(route.access === 'open' ? [] : [authenticate(route.access), limitHeaders(), rateLimit()]),
      (context) => route.handle(context),
    )
  }

  app.notFound(answerUnknownRoute(routes))
  app.onError(answerError)
  return app
}
