/** `GET /openapi.json`: the document that scripts/build-openapi.ts wrote. */
import { openApiText } from '../openapi/document.ts'
import type { Route } from '../route.ts'

export const openapi: Route = {
  method: 'GET',
  path: '/openapi.json',
  errors: 'problem',
  access: 'open',
  async handle(context) {
    return context.body(await openApiText(), 200, {
      'content-type': 'application/json',
      'cache-control': 'public, max-age=300',
    })
  },
}
