/**
 * Lets web pages of any origin call the API: it is authenticated by a bearer token that the page must hold, never by a cookie, so
 * another origin gains nothing from a visitor's browser.
 */
import type { MiddlewareHandler } from 'hono'
import { PROMPT_HEADER } from '../render/prompt-header.ts'
import type { AppEnv } from '../route.ts'
import { LIMIT_HEADERS } from './limit-headers.ts'

/** Browsers ask again after this; two hours is the most that Chromium honours. */
const PREFLIGHT_SECONDS = 7_200

/** What a page may read beyond the headers that are always readable. */
const EXPOSED = ['x-request-id', 'retry-after', 'x-perigee-cache', PROMPT_HEADER, 'age', ...LIMIT_HEADERS].join(', ')

export function cors(): MiddlewareHandler<AppEnv> {
  return async (context, next) => {
    const isFromPage = context.req.header('origin') !== undefined
    const wanted = isFromPage ? context.req.header('access-control-request-method') : undefined
    if (wanted !== undefined && context.req.method === 'OPTIONS') {
      return context.body(null, 204, {
        'access-control-allow-origin': '*',
        'access-control-allow-methods': 'GET, POST, PUT, PATCH, DELETE, OPTIONS',
        'access-control-allow-headers':
          context.req.header('access-control-request-headers') ?? 'authorization, content-type',
        'access-control-max-age': String(PREFLIGHT_SECONDS),
        'access-control-expose-headers': EXPOSED,
      })
    }
    await next()
    if (isFromPage) {
      context.res.headers.set('access-control-allow-origin', '*')
      context.res.headers.set('access-control-expose-headers', EXPOSED)
    }
  }
}
