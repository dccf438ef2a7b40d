/** A route is a method, a path and one function; who may call it is said beside it. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from './serving.ts'

export type Exchange = { request: IncomingMessage; response: ServerResponse; server: Server }

/** Answers, or throws a RequestError as long as nothing has been sent. */
export type Handler = (exchange: Exchange) => void | Promise<void>

export type Route = {
  method: 'GET' | 'POST'
  path: string
  /** Needs no key. */
  open?: boolean
  handler: Handler
}
