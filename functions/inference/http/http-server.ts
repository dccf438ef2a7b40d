/** node:http with a route table: finds the route, checks the key, turns errors into OpenAI's envelope. Knows no route's business. */
import { createServer, type IncomingMessage, type Server as NodeServer, type ServerResponse } from 'node:http'
import { type Access, createAuthorize } from './authorize.ts'
import { tooLate, watchDeadline } from './deadline.ts'
import { asRequestError, RequestError } from './request-error.ts'
import type { Route } from './route.ts'
import { sendJson } from './send-json.ts'
import type { Server } from './serving.ts'

export type HttpServerOptions = {
  server: Server
  routes: readonly Route[]
  access: Access
  log: (line: string) => void
}

/** Longer than the idle time-outs of the proxies in front, so that never we close a connection just as they use it. */
const KEEP_ALIVE_MS = 75_000
/** For headers and body together; nobody who means well takes so long for 4 MiB. */
const REQUEST_MAX_MS = 60_000
/** Each holds a socket and little else; far more than queue and slots can use. */
const CONNECTIONS_MAX = 4_096
/** For clients and proxies: when it is worth to ask again. */
const RETRY_AFTER_SECONDS = '1'

export function createHttpServer({ server, routes, access, log }: HttpServerOptions): NodeServer {
  const authorize = createAuthorize(access)
  const http = createServer(
    { keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: REQUEST_MAX_MS },
    (request, response) => {
      const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
      const onPath = routes.filter((route) => route.path === path)
      response.once('close', () => {
        const status = response.headersSent ? String(response.statusCode) : 'none'
        server.metrics.requests.count({ route: onPath[0]?.path ?? 'unknown', status })
      })
      handle(request, response, onPath).catch((error) => answerError(error, request, response))
    },
  )
  http.maxConnections = CONNECTIONS_MAX
  return http

  async function handle(request: IncomingMessage, response: ServerResponse, onPath: Route[]) {
    const route = onPath.find(
      ({ method }) => method === request.method || (method === 'GET' && request.method === 'HEAD'),
    )
    // The key first: who may not call learns nothing of what is here.
    if (route?.open !== true) authorize(request)
    if (route === undefined && onPath.length > 0) {
      response.setHeader('allow', onPath.map(({ method }) => method).join(', '))
      throw new RequestError('method_not_allowed', `${request.method} is not allowed here.`)
    }
    if (route === undefined) throw new RequestError('not_found', 'There is nothing at this path.')
    watchDeadline(request, response, () => answerError(tooLate(), request, response))
    await route.handler({ request, response, server })
  }

  function answerError(error: unknown, request: IncomingMessage, response: ServerResponse) {
    // A caller who left while sending the body is no error of ours.
    if (response.destroyed || (request.destroyed && !request.complete)) return response.destroy()
    if (!(error instanceof RequestError)) {
      log(`${request.method} ${request.url}: ${error instanceof Error ? error.stack : String(error)}`)
    }
    if (response.headersSent) return response.destroy()
    const shown = asRequestError(error)
    sendJson(response, shown.status, shown.body(), {
      ...(shown.status === 401 && { 'www-authenticate': 'Bearer' }),
      ...(shown.status === 503 && { 'retry-after': RETRY_AFTER_SECONDS }),
    })
  }
}
