/** Names each request, in the answer, the log and the call to the model, so that one can be found by the other. */
import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from '../route.ts'

/** What a caller may choose: enough for UUIDs and trace ids, nothing that breaks a log line or a header. */
const ACCEPTED = /^[A-Za-z0-9._:-]{8,128}$/

export function requestId(makeId: () => string = newRequestId): MiddlewareHandler<AppEnv> {
  return async (context, next) => {
    const given = context.req.header('x-request-id')
    const id = given !== undefined && ACCEPTED.test(given) ? given : makeId()
    context.set('requestId', id)
    await next()
    if (!context.get('hasHeaders')) context.res.headers.set('x-request-id', id)
  }
}

function newRequestId(): string {
  return `req_${crypto.randomUUID().replaceAll('-', '')}`
}
