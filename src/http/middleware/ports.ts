/** Puts the isolate's ports where handlers find them. First, so that a wrong setting is an answer of ours and a line in the log. */
import type { MiddlewareHandler } from 'hono'
import type { Env } from '../../env.ts'
import type { HttpPorts } from '../ports.ts'
import type { AppEnv } from '../route.ts'

export function providePorts(portsOf: (env: Env) => HttpPorts): MiddlewareHandler<AppEnv> {
  return async (context, next) => {
    context.set('ports', portsOf(context.env))
    await next()
  }
}
