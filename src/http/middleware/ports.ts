/** Puts the isolate's ports where handlers find them. First, so that a wrong setting is an answer of ours and a line in the log. */
import type { MiddlewareHandler } from 'hono'
import type { Env } from '../../env.ts'
import type { HttpPorts, RequestPorts } from '../ports.ts'
import type { AppEnv } from '../route.ts'

export function providePorts(portsOf: (env: Env) => RequestPorts): MiddlewareHandler<AppEnv> {
  return async (context, next) => {
    // Sound: what only the whole app has, no eager route asks for (test/unit/eager-graph.test.ts).
    context.set('ports', portsOf(context.env) as HttpPorts)
    await next()
  }
}
