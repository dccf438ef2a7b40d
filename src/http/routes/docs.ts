/** `GET /docs`: the OpenAPI document for people. */
import { docsPage } from '../openapi/docs-page.ts'
import { openApiDocument } from '../openapi/document.ts'
import type { Route } from '../route.ts'

const HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'public, max-age=300',
  // The page has no scripts and loads nothing: whatever would run in it was smuggled in.
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
}

export const docs: Route = {
  method: 'GET',
  path: '/docs',
  errors: 'problem',
  access: 'open',
  async handle(context) {
    const { origin } = new URL(context.req.url)
    return context.body(docsPage(await openApiDocument(), origin), 200, HEADERS)
  },
}
