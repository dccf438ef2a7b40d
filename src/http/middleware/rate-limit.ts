/** Counts the request of who was authenticated, before anything of it is read. */
import type { MiddlewareHandler } from 'hono'
import type { RequestEntry } from '../ports.ts'
import { type AppContext, type AppEnv, endpointOf, principalOf } from '../route.ts'

/**
 * Policy when the store of limits fails: its last answer, then closed (src/limits/slice.ts).
 * A request that is refused by this limit or by a later one (tokens, model, end user) costs none of them.
 */
export function rateLimit(): MiddlewareHandler<AppEnv> {
  return async (context, next) => {
    const { limits } = context.get('ports')
    const entering = limits.enter({ principal: principalOf(context), endpoint: endpointOf(context) })
    // No await where memory knows the answer.
    const entry = entering instanceof Promise ? await entering : entering
    await next()
    if (context.get('failure')?.code !== 'rate_limited') return
    entry.refund()
    context.get('endUserEntry')?.refund()
  }
}

/** For routes whose body names the caller's own user: a part of what the key may use, and never authority. A token has its own user. */
export async function countEndUser(context: AppContext, label: string): Promise<void> {
  const principal = principalOf(context)
  if (principal.userId !== undefined) return
  const entry: RequestEntry = await context.get('ports').limits.enterEndUser({ principal, label })
  context.set('endUserEntry', entry)
}
