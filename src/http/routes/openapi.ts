/** `GET /openapi.json`: the document that scripts/build-openapi.ts wrote. */
import document from '../openapi/openapi.json' with { type: 'json' }
import type { Route } from '../route.ts'

export const openapi: Route = {
  method: 'GET',
  path: '/openapi.json',
  errors: 'problem',
  access: 'open',
  handle(context) {
    return context.json(document, 200, { 'cache-control': 'public, max-age=300' })
  },
}
