/** One JSON line per request, written when its last byte is out or its caller is gone. Never prompt text, keys or query strings. */
import type { MiddlewareHandler } from 'hono'
import { type AppError, ERRORS } from '../../errors.ts'
import type { AppContext, AppEnv } from '../route.ts'

type Level = 'debug' | 'info' | 'warn' | 'error'

const SEVERITY: Readonly<Record<Level | 'silent', number>> = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 }

/** Of a cause's text: enough to recognise it. */
const CAUSE_CHARS_MAX = 2_000

export function accessLog(
  options: { now?: () => number; write?: (line: string) => void } = {},
): MiddlewareHandler<AppEnv> {
  const { now = Date.now, write = console.log } = options
  return async (context, next) => {
    const startedAt = now()
    context.set('arrivedAtMs', startedAt)
    // Without this the platform drops our context when the caller hangs up, and with it whatever notices: the meter, this line.
    const { promise: over, resolve: finish } = Promise.withResolvers<void>()
    context.executionCtx.waitUntil(over)
    await next()
    const ending = context.get('ending')
    if (ending) {
      void ending.then((failure) => {
        log(context, failure)
        finish()
      })
    } else {
      log(context, context.get('failure'))
      finish()
    }

    function log(context: AppContext, failure: AppError | undefined): void {
      const level: Level = failure ? ERRORS[failure.code].log : 'info'
      // Without ports the settings could not be read: that is worth a line whatever they say.
      const threshold = context.get('ports')?.settings.logLevel ?? 'error'
      if (SEVERITY[level] < SEVERITY[threshold]) return
      write(
        JSON.stringify({
          level,
          time: new Date(now()).toISOString(),
          ...record(context),
          ms: now() - startedAt,
          ...why(failure),
        }),
      )
    }
  }
}

function record(context: AppContext): Record<string, unknown> {
  const principal = context.get('principal')
  return {
    event: 'request',
    request_id: context.get('requestId'),
    method: context.req.method,
    // The pattern, for a path may hold ids, and a caller's mistake may hold anything.
    route: context.get('route')?.path,
    status: context.res.status,
    model: context.get('model'),
    tenant: principal?.tenantId,
    key: principal?.keyId,
  }
}

function why(failure: AppError | undefined): Record<string, unknown> {
  if (!failure) return {}
  const { code, cause } = failure
  if (cause === undefined) return { code }
  const text = cause instanceof Error ? (cause.stack ?? String(cause)) : String(cause)
  return { code, cause: text.slice(0, CAUSE_CHARS_MAX) }
}
