/** Limits: where they are counted, whose they are, and what holds where nobody set one. */
import { waitUntil } from 'cloudflare:workers'
import { DEVELOPMENT } from '../auth/configured-keys.ts'
import type { Admission, Principal } from '../chat/ports.ts'
import type { Config } from '../config.ts'
import type { RequestPorts } from '../http/ports.ts'
import { durableStore } from '../limits/durable-store.ts'
import { isolateLimits } from '../limits/isolate-limits.ts'
import { lateStore } from '../limits/late-store.ts'
import { STORE_TIMEOUT_MS } from '../limits/leased-windows.ts'
import { DEFAULT_LIMITS, developmentLimits, type LimitRule } from '../limits/limit-rules.ts'
import { limitRulesOf } from '../limits/limit-table.ts'
import type { LimitStore } from '../limits/stores.ts'
import type { Isolate } from './isolate.ts'

export function wireLimits(isolate: Isolate): Pick<RequestPorts, 'limits'> & { admission: Admission } {
  const { env, config, directory } = isolate
  const { requests, admission } = isolateLimits({
    store: storeOf(isolate),
    rulesOf: directory.remember<readonly LimitRule[], readonly LimitRule[]>({
      kind: 'limit',
      load: (tenantId) => limitRulesOf(env.DB, tenantId),
      prepare: (rules) => rules ?? [],
    }),
    defaultsOf: defaultsOf(config),
    waitUntil,
  })
  return { limits: requests, admission }
}

function storeOf({ config, env }: Isolate): LimitStore {
  const { PERIGEE_UPSTASH_URL: url, PERIGEE_UPSTASH_TOKEN: token } = config
  if (url === undefined || token === undefined) return durableStore(env.LIMITS)
  return lateStore(async () => {
    const { upstashStore } = await import('../limits/upstash-store.ts')
    return upstashStore({ url, token, timeoutMs: STORE_TIMEOUT_MS })
  })
}

function defaultsOf(config: Config): (principal: Principal) => readonly LimitRule[] {
  const development = developmentLimits(config.PERIGEE_DEV_KEY_REQUESTS_PER_HOUR)
  return ({ tenantId, keyId }) =>
    tenantId === DEVELOPMENT.tenantId && keyId === DEVELOPMENT.keyId ? development : DEFAULT_LIMITS
}
