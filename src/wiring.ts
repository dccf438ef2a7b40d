/**
 * The only place that makes adapters, with src/wiring/, which has a file for each capability: everything from the bindings and the
 * settings, once per isolate. src/app.ts and every Durable Object class call `wire(env)`.
 */
import { waitUntil } from 'cloudflare:workers'
import { sha256Hex } from './auth/api-key.ts'
import { type Config, readConfig } from './config.ts'
import { durableConversations } from './conversation/durable-conversations.ts'
import type { Directory } from './directory/directory.ts'
import type { Env } from './env.ts'
import type { IsolateHealth } from './health/isolate-health.ts'
import type { HttpPorts } from './http/ports.ts'
import { isolateMetrics } from './observe/isolate-metrics.ts'
import { attemptInOrder } from './routing/attempt.ts'
import { wireBudgets } from './wiring/budgets.ts'
import { wireCache } from './wiring/cache.ts'
import { wireFilters } from './wiring/filters.ts'
import { wireHealth } from './wiring/health.ts'
import { makeIsolate } from './wiring/isolate.ts'
import { wireKeys } from './wiring/keys.ts'
import { wireLimits } from './wiring/limits.ts'
import { wireModels } from './wiring/models.ts'
import { wirePrompts } from './wiring/prompts.ts'
import { wireUsers } from './wiring/users.ts'

/** All ports of one isolate. A Durable Object uses `complete`, `tokenCounter` and `config`; routes use what HttpPorts says. */
export type Wiring = HttpPorts & {
  config: Config
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

function makeWiring(env: Env): Wiring {
  const config = readConfig(env)
  const isolate = makeIsolate(env, config)
  const { models, counter, estimatingCounter, watched, ...modelRoutes } = wireModels(isolate, (id) =>
    deploymentHealth.endpointOf(id),
  )
  const { prompts, ...promptRoutes } = wirePrompts(isolate)
  const { filters, ...filterRoutes } = wireFilters(isolate)
  const { admission, ...limitRoutes } = wireLimits(isolate)
  const { spending, ...budgetRoutes } = wireBudgets(isolate, counter)
  const { deploymentHealth, health, heartbeats, withHealth } = wireHealth(isolate, watched)
  const metrics = isolateMetrics({
    isKnown: models.isKnown,
    collector: () => env.METRICS.getByName('all'),
    waitUntil,
  })
  return {
    config,
    directory: isolate.directory,
    tokenCounter: estimatingCounter,
    deploymentHealth,
    complete: {
      models,
      prompts,
      filters,
      cache: wireCache(config),
      admission,
      budgets: spending,
      attempt: attemptInOrder(),
      meter: metrics.meter,
      drawSeed,
    },
    ...wireKeys(isolate),
    ...wireUsers(isolate),
    ...modelRoutes,
    ...promptRoutes,
    ...filterRoutes,
    ...limitRoutes,
    ...budgetRoutes,
    sha256Hex,
    conversations: durableConversations(env.CONVERSATION),
    metrics: withHealth(metrics.reader),
    health,
    heartbeats,
    settings: {
      bodyBytesMax: config.PERIGEE_BODY_BYTES_MAX,
      logLevel: config.PERIGEE_LOG_LEVEL,
      defaultModel: config.PERIGEE_DEFAULT_MODEL,
    },
  }
}

/** 53 random bits: every integer that JSON carries exactly is equally likely. */
function drawSeed(): number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2))
  return (high & 0x1f_ffff) * 2 ** 32 + low
}
