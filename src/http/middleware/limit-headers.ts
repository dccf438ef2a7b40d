/**
 * Tells callers where they stand: `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10) for every limit that holds,
 * and OpenAI's `x-ratelimit-*` for the tightest of requests and of tokens. From what this isolate knows: it asks no store.
 */
import type { MiddlewareHandler } from 'hono'
import type { LimitStanding } from '../ports.ts'
import { type AppContext, type AppEnv, endpointOf } from '../route.ts'

export const LIMIT_HEADERS = [
  'ratelimit',
  'ratelimit-policy',
  ...['requests', 'tokens'].flatMap((kind) =>
    ['limit', 'remaining', 'reset'].map((what) => `x-ratelimit-${what}-${kind}`),
  ),
]

/** Outside of src/http/middleware/rate-limit.ts, so that a refusal has them, too. */
export function limitHeaders(): MiddlewareHandler<AppEnv> {
  return async (context, next) => {
    await next()
    if (context.get('hasHeaders')) return
    for (const [name, value] of Object.entries(limitHeadersNow(context))) context.res.headers.set(name, value)
  }
}

/** As this isolate knows it now. Empty where nobody was authenticated, and where no limit holds. */
export function limitHeadersNow(context: AppContext): Record<string, string> {
  const principal = context.get('principal')
  if (!principal) return {}
  const alias = context.get('model')
  const standings = context.get('ports').limits.standing({
    principal,
    endpoint: endpointOf(context),
    ...(alias === undefined ? {} : { alias }),
  })
  return standings.length > 0 ? limitHeadersOf(standings) : {}
}

export function limitHeadersOf(standings: readonly LimitStanding[]): Record<string, string> {
  const headers: Record<string, string> = {
    'ratelimit-policy': standings.map(policyItem).join(', '),
    ratelimit: standings.map(standingItem).join(', '),
  }
  for (const kind of ['requests', 'tokens'] as const) {
    const tightest = tightestOf(standings, kind)
    if (!tightest) continue
    headers[`x-ratelimit-limit-${kind}`] = String(tightest.limit)
    headers[`x-ratelimit-remaining-${kind}`] = String(tightest.remaining)
    headers[`x-ratelimit-reset-${kind}`] = durationText(tightest.resetMs)
  }
  return headers
}

/** Without `qu` a quota is of requests. */
function policyItem({ policy, kind, limit, windowSeconds }: LimitStanding): string {
  return `"${policy}";q=${limit};w=${windowSeconds}${kind === 'tokens' ? ';qu="tokens"' : ''}`
}

function standingItem({ policy, remaining, resetMs }: LimitStanding): string {
  return `"${policy}";r=${remaining};t=${Math.ceil(resetMs / 1_000)}`
}

function tightestOf(standings: readonly LimitStanding[], kind: LimitStanding['kind']): LimitStanding | undefined {
  let tightest: LimitStanding | undefined
  for (const standing of standings) {
    if (standing.kind === kind && !(tightest && tightest.remaining <= standing.remaining)) tightest = standing
  }
  return tightest
}

/** As OpenAI writes them: `6m0s`, `1h2m3s`; below a second `120ms`. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.max(1, Math.ceil(ms))}ms`
  const seconds = Math.ceil(ms / 1_000)
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor((seconds % 3_600) / 60)]
  return `${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${seconds % 60}s`
}
