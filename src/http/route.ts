/** What a route declares beside its handler. src/http/route-table.ts is the table of all of them. */
import type { Context } from 'hono'
import type { Principal } from '../chat/ports.ts'
import type { Scope } from '../contract/scopes.ts'
import type { Env } from '../env.ts'
import type { AppError } from '../errors.ts'
import type { HttpPorts, RequestEntry } from './ports.ts'

/** `openai`, `anthropic`: their error envelopes, on their own routes. `oauth`: RFC 6749 5.2, on /auth/token. `problem`: RFC 9457, on all others. */
export type ErrorShape = 'openai' | 'anthropic' | 'oauth' | 'problem'

/** `content`: the configured bound, for bodies that may hold images. `text`: TEXT_BODY_BYTES_MAX at most. `small`: SMALL_BODY_BYTES_MAX. */
export type BodyKind = 'content' | 'text' | 'small'

export type Route = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Hono's pattern; `:name` is a parameter. */
  path: string
  errors: ErrorShape
  /**
   * `open` needs no key. Only the routes in OPEN_ROUTES may say so; a test compares. `authenticated`: any valid key or token, for what
   * concerns its holder alone.
   */
  access: 'open' | 'authenticated' | { scope: Scope }
  /** Absent: the route reads no body. */
  body?: BodyKind
  /** Throws an AppError, which the app renders in the route's shape. */
  handle(context: AppContext): Response | Promise<Response>
}

/** What middleware leaves for handlers. */
export type AppVariables = {
  ports: HttpPorts
  requestId: string
  /** When the Worker was called. Milliseconds since 1970. */
  arrivedAtMs: number
  /** Absent on routes that are not found. */
  route?: Route
  /** Set by authentication: present on every route that is not open. */
  principal?: Principal
  /** What was counted for the user that the body names. */
  endUserEntry?: RequestEntry
  /** The alias that the caller named, for the access log. */
  model?: string
  /** What went wrong, for the access log. */
  failure?: AppError
  /** The response was made with the headers of its request and its limits: each that is added to it later is a call of the platform. */
  hasHeaders?: true
  /** A response that streams sets it: resolves when the last byte is out or the caller is gone, with the error if any. Never rejects. */
  ending?: Promise<AppError | undefined>
}

export type AppEnv = { Bindings: Env; Variables: AppVariables }
export type AppContext = Context<AppEnv>

/** The caller of a route that needs a key. */
export function principalOf(context: AppContext): Principal {
  const principal = context.get('principal')
  if (!principal) throw new Error('A route that asks for the principal must not be open.')
  return principal
}

/** How limits name a route: method and pattern. HEAD is counted as the GET that answers it. */
export function endpointOf(context: AppContext): string {
  const route = context.get('route')
  if (!route) throw new Error('A request that is counted is on a route.')
  return `${route.method} ${route.path}`
}
