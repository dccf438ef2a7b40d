/** `GET /metrics`: what all isolates counted, for Prometheus. */
import type { Route } from '../route.ts'

const TEXT_FORMAT = 'text/plain; version=0.0.4; charset=utf-8'

export const metrics: Route = {
  method: 'GET',
  path: '/metrics',
  errors: 'problem',
  access: { scope: 'metrics:read' },
  async handle(context) {
    const text = await context.get('ports').metrics.text()
    return context.body(text, 200, { 'content-type': TEXT_FORMAT, 'cache-control': 'no-store' })
  },
}
