/**
 * The only place that makes adapters, with src/wiring/, which has a file for each capability: everything from the bindings and the
 * settings, once per isolate. src/app.ts and every Durable Object class call `wire(env)`.
 */
import { waitUntil } from 'cloudflare:workers'
import { sha256Hex } from './auth/api-key.ts'
import { rememberingHash } from './auth/remembering-hash.ts'
import { type Config, readConfig } from './config.ts'
import { lazy } from './contract/lazy.ts'
import { durableConversations } from './conversation/durable-conversations.ts'
import type { Directory } from './directory/directory.ts'
import type { Env } from './env.ts'
import type { IsolateHealth } from './health/isolate-health.ts'
import type { RequestPorts } from './http/ports.ts'
import { isolateMetrics } from './observe/isolate-metrics.ts'
import { wireAttempt } from './wiring/attempt.ts'
import { wireBudgets } from './wiring/budgets.ts'
import { wireCache } from './wiring/cache.ts'
import { wireFilters } from './wiring/filters.ts'
import { type HealthPorts, wireHealth } from './wiring/health.ts'
import { type Isolate, makeIsolate } from './wiring/isolate.ts'
import { wireKeys } from './wiring/keys.ts'
import { wireLimits } from './wiring/limits.ts'
import { wireModels } from './wiring/models.ts'
import { wirePrompts } from './wiring/prompts.ts'
import { wireRequestLog } from './wiring/request-log.ts'
import { wireTokens } from './wiring/tokens.ts'

/** The ports of one isolate's request path. A Durable Object uses `complete`, `tokenCounter` and `config`; routes use what RequestPorts says. */
export type Wiring = RequestPorts & {
  config: Config
  /** What src/wiring/control-plane.ts makes the rest from. */
  isolate: Isolate
  directory: Directory
  deploymentHealth: IsolateHealth
}

const made = new WeakMap<Env, Wiring>()

/** The same wiring for the same env. Throws when a setting is wrong. */
export function wire(env: Env): Wiring {
  const known = made.get(env)
  if (known) return known
  const wiring = makeWiring(env)
  made.set(env, wiring)
  return wiring
}

/** Each part is made when it is first asked for: the first answer of an isolate waits for no other's. */
function makeWiring(env: Env): Wiring {
  const config = readConfig(env)
  const isolate = makeIsolate(env, config)
  const models = lazy(() => wireModels(isolate, (id) => health().deploymentHealth.endpointOf(id)))
  const health = lazy((): HealthPorts => wireHealth(isolate, models().watched))
  const filters = lazy(() => wireFilters(isolate))
  const limits = lazy(() => wireLimits(isolate))
  const keys = lazy(() => wireKeys(isolate))
  const accessTokens = lazy(() => wireTokens(isolate))
  const conversations = lazy(() => durableConversations(env.CONVERSATION))
  const metrics = lazy(() =>
    isolateMetrics({ isKnown: models().models.isKnown, collector: () => env.METRICS.getByName('all'), waitUntil }),
  )
  const complete = lazy(() => ({
    models: models().models,
    prompts: wirePrompts(isolate),
    filters: filters().filters,
    cache: wireCache(config),
    admission: limits().admission,
    budgets: wireBudgets(isolate, models().counter),
    attempt: wireAttempt(health().deploymentHealth, metrics().countCall),
    meter: wireRequestLog(isolate, metrics().meter),
    drawSeed,
  }))
  return {
    config,
    isolate,
    directory: isolate.directory,
    sha256Hex: rememberingHash(sha256Hex, isolate.nowMs),
    settings: {
      bodyBytesMax: config.PERIGEE_BODY_BYTES_MAX,
      logLevel: config.PERIGEE_LOG_LEVEL,
      defaultModel: config.PERIGEE_DEFAULT_MODEL,
    },
    get deploymentHealth() {
      return health().deploymentHealth
    },
    get health() {
      return health().health
    },
    get heartbeats() {
      return health().heartbeats
    },
    get tokenCounter() {
      return models().estimatingCounter
    },
    get complete() {
      return complete()
    },
    get keys() {
      return keys()
    },
    get accessTokens() {
      return accessTokens()
    },
    get limits() {
      return limits().limits
    },
    get moderations() {
      return filters().moderations
    },
    get conversations() {
      return conversations()
    },
    get metrics() {
      return health().withHealth(metrics().reader)
    },
  }
}

/** 53 random bits: every integer that JSON carries exactly is equally likely. */
function drawSeed(): number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2))
  return (high & 0x1f_ffff) * 2 ** 32 + low
}
