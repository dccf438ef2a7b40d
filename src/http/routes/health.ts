/** `GET /health`: that this Worker answers. It asks no model, so that a probe neither costs tokens nor fails with one model. */
import type { Route } from '../route.ts'

export const health: Route = {
  method: 'GET',
  path: '/health',
  errors: 'problem',
  access: 'open',
  handle(context) {
    context.header('cache-control', 'no-store')
    return context.json({ status: 'ok', timestamp: new Date().toISOString() })
  },
}
