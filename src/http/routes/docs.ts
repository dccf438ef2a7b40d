/** `GET /docs`: the OpenAPI document for people. */
import { type DocumentToShow, docsPage } from '../openapi/docs-page.ts'
import document from '../openapi/openapi.json' with { type: 'json' }
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
  handle(context) {
    const { origin } = new URL(context.req.url)
    // Sound: scripts/build-openapi.ts wrote it from our own tables, and a test compares.
    return context.body(docsPage(document as unknown as DocumentToShow, origin), 200, HEADERS)
  },
}
