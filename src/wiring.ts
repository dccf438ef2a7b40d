/**
 * The only place that makes adapters: everything from the bindings and the settings, once per isolate. src/app.ts and every Durable
 * Object class call `wire(env)`.
 */
import { waitUntil } from 'cloudflare:workers'
import type { TokenSecrets } from './auth/access-token.ts'
import { accessTokens } from './auth/access-tokens.ts'
import { sha256Hex } from './auth/api-key.ts'
import { configuredKeys, DEVELOPMENT } from './auth/configured-keys.ts'
import { fetchJwks } from './auth/fetch-jwks.ts'
import { durableGuard } from './auth/guard-client.ts'
import { keyAdmin } from './auth/key-admin.ts'
import { keySets } from './auth/key-sets.ts'
import { keyStore, type UsableKey } from './auth/key-store.ts'
import { outsideTokens } from './auth/outside-tokens.ts'
import { ownTokens, principalOfSession } from './auth/own-tokens.ts'
import { passwordCost } from './auth/password-hash.ts'
import { providerAdmin } from './auth/provider-admin.ts'
import { providerStore, type TrustedProvider } from './auth/provider-store.ts'
import { sessionStore } from './auth/session-store.ts'
import { signIn } from './auth/sign-in.ts'
import { type ReadyKey, readyKey, storedKeys } from './auth/stored-keys.ts'
import { tenantAdmin } from './auth/tenant-admin.ts'
import { tenantStore } from './auth/tenant-store.ts'
import { userAdmin } from './auth/user-admin.ts'
import { userStore } from './auth/user-store.ts'
import type { BudgetSet } from './budgets/budget.ts'
import { budgetAdmin } from './budgets/budget-admin.ts'
import { budgetStore } from './budgets/budget-store.ts'
import { countPrompt } from './budgets/count-prompt.ts'
import { leasedBudgets } from './budgets/leased-budgets.ts'
import type { Price, Prices } from './budgets/price.ts'
import { priceStore } from './budgets/price-store.ts'
import { usageStore } from './budgets/usage-store.ts'
import { wiredCache } from './cache/wired-cache.ts'
import type { AnswerCache, Deployment, Principal, TokenCounter } from './chat/ports.ts'
import { type Config, readConfig } from './config.ts'
import type { FilterRules } from './contract/filter-rules.ts'
import { durableConversations } from './conversation/durable-conversations.ts'
import { type Directory, directory } from './directory/directory.ts'
import { kvReserve } from './directory/reserve.ts'
import type { Env } from './env.ts'
import { filterStore } from './filter/filter-store.ts'
import { compiledSets, tenantFilters } from './filter/tenant-filters.ts'
import { tenantModerations } from './filter/tenant-moderations.ts'
import type { HttpPorts } from './http/ports.ts'
import { durableStore } from './limits/durable-store.ts'
import { isolateLimits } from './limits/isolate-limits.ts'
import { lateStore } from './limits/late-store.ts'
import { STORE_TIMEOUT_MS } from './limits/leased-windows.ts'
import { DEFAULT_LIMITS, developmentLimits, type LimitRule } from './limits/limit-rules.ts'
import { limitRulesOf, limitTable } from './limits/limit-table.ts'
import type { LimitStore } from './limits/stores.ts'
import { isolateMetrics } from './observe/isolate-metrics.ts'
import { promptLibrary } from './prompts/prompt-library.ts'
import { promptStore } from './prompts/prompt-store.ts'
import { rememberedPrompts } from './prompts/remembered-prompts.ts'
import { storedPrompts } from './prompts/stored-prompts.ts'
import { attemptInOrder } from './upstream/attempt.ts'
import { configuredModels } from './upstream/configured-models.ts'
import { openaiUpstream } from './upstream/openai-upstream.ts'
import { tokenCounter } from './upstream/token-counter.ts'

/** All ports of one isolate. A Durable Object uses `complete`, `tokenCounter` and `config`; routes use what HttpPorts says. */
export type Wiring = HttpPorts & {
  config: Config
  /** What each isolate remembers of D1. */
  directory: Directory
  tokenCounter: TokenCounter
}

/** Tenants whose filter rules are remembered as they are stored: most have some kB, none more than some MB. */
const FILTER_RULES_MAX = 500
/** Some 5 MB of an isolate's 128. */
const KEYS_REMEMBERED_MAX = 10_000

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
  // Looked up at each call, so that a test may put another in its place.
  const endpoint = {
    baseUrl: config.PERIGEE_INFERENCE_URL,
    apiKey: config.PERIGEE_INFERENCE_KEY,
    fetch: (...call: Parameters<typeof fetch>) => globalThis.fetch(...call),
  }
  const deployment: Deployment = {
    id: 'inference',
    model: config.PERIGEE_DEFAULT_MODEL,
    timeouts: {
      connect: config.PERIGEE_CONNECT_TIMEOUT_MS,
      firstToken: config.PERIGEE_FIRST_TOKEN_TIMEOUT_MS,
      firstTokenWhileWaiting: config.PERIGEE_WAITING_TIMEOUT_MS,
      betweenTokens: config.PERIGEE_BETWEEN_TOKENS_TIMEOUT_MS,
      total: config.PERIGEE_TOTAL_TIMEOUT_MS,
    },
    upstream: openaiUpstream({ ...endpoint, endsResponse: true, gathers: true }),
  }
  const models = configuredModels(config.PERIGEE_DEFAULT_MODEL, deployment)
  const metrics = isolateMetrics({
    isKnown: (alias) => models.deploymentsOf(alias).length > 0,
    collector: () => env.METRICS.getByName('all'),
    waitUntil,
  })
  const nowMs = () => Date.now()
  const isolateDirectory = directory({
    config: () => env.CONFIG.getByName('all'),
    reserve: kvReserve(env.RESERVE),
    waitUntil,
    nowMs,
    setTimer(ms, call) {
      const timer = setTimeout(call, ms)
      return () => clearTimeout(timer)
    },
  })
  const prompts = promptStore({
    db: env.DB,
    now: Date.now,
    newId: () => crypto.randomUUID(),
    changed: isolateDirectory.changed,
  })
  const counter = tokenCounter(endpoint)
  const stored = { db: env.DB, now: Date.now, changed: isolateDirectory.changed }
  const budgets = budgetStore(stored)
  const prices = priceStore(stored)
  const priceTable = isolateDirectory.remember<Price[], Prices>({
    kind: 'price',
    load: () => prices.current(),
    prepare: (current) => new Map((current ?? []).map((price) => [price.model, price])),
    // The installation's, not a tenant's.
    key: () => 'all',
  })
  const filterRules = filterStore({ db: env.DB, now: Date.now, changed: isolateDirectory.changed })
  const filterSets = compiledSets(
    isolateDirectory.remember<FilterRules>({ kind: 'filter', load: filterRules.rulesOf, keysMax: FILTER_RULES_MAX }),
  )
  const limits = isolateLimits({
    store: limitStore(config, env),
    rulesOf: isolateDirectory.remember<readonly LimitRule[], readonly LimitRule[]>({
      kind: 'limit',
      load: (tenantId) => limitRulesOf(env.DB, tenantId),
      prepare: (rules) => rules ?? [],
    }),
    defaultsOf: limitDefaults(config),
    waitUntil,
  })
  const keys = keyStore(env.DB)
  const recallKey = isolateDirectory.remember<UsableKey, ReadyKey | undefined>({
    kind: 'key',
    load: keys.findByHash,
    prepare: readyKey,
    key: ({ subject }) => subject,
    keysMax: KEYS_REMEMBERED_MAX,
    keysFromCallers: true,
  })
  const { changed } = isolateDirectory
  return {
    config,
    directory: isolateDirectory,
    tokenCounter: counter,
    complete: {
      models,
      prompts: storedPrompts(rememberedPrompts(isolateDirectory, prompts)),
      filters: tenantFilters(filterSets),
      cache: cacheOf(config),
      admission: limits.admission,
      budgets: leasedBudgets({
        budgetsOf: isolateDirectory.remember<BudgetSet>({ kind: 'budget', load: budgets.all }),
        prices: () => priceTable('all'),
        exchange: async (tenantId, report) => env.BUDGET.getByName(tenantId).exchange(report),
        countPrompt: countPrompt(counter),
        waitUntil,
        nowMs: Date.now,
        sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
        newIsolateId: () => crypto.randomUUID(),
      }),
      attempt: attemptInOrder(),
      meter: metrics.meter,
      drawSeed,
    },
    keys: configuredKeys(config.PERIGEE_KEY_SHA256, storedKeys({ recall: recallKey, nowMs })),
    keyAdmin: keyAdmin({ store: keys, changed, nowMs }),
    tenantAdmin: tenantAdmin({ store: tenantStore(env.DB), changed, nowMs }),
    ...users(env, config, isolateDirectory),
    sha256Hex,
    conversations: durableConversations(env.CONVERSATION),
    limits: limits.requests,
    limitTable: limitTable({ db: env.DB, changed: isolateDirectory.changed, nowMs: () => Date.now() }),
    metrics: metrics.reader,
    promptLibrary: promptLibrary(prompts),
    budgets: budgetAdmin({
      store: budgets,
      use: async (tenantId, ids) => env.BUDGET.getByName(tenantId).use(ids),
      now: Date.now,
    }),
    prices,
    usage: usageStore(env.DB),
    filterRules,
    moderations: tenantModerations(filterSets),
    settings: {
      bodyBytesMax: config.PERIGEE_BODY_BYTES_MAX,
      logLevel: config.PERIGEE_LOG_LEVEL,
      defaultModel: config.PERIGEE_DEFAULT_MODEL,
    },
  }
}

/** Users, their sessions, and outside identity providers. */
function users(
  env: Env,
  config: Config,
  directory: Directory,
): Pick<HttpPorts, 'accessTokens' | 'signIn' | 'users' | 'identityProviders'> {
  const nowMs = () => Date.now()
  const { PERIGEE_TOKEN_SECRET: current, PERIGEE_TOKEN_SECRET_PREVIOUS: previous } = config
  const secrets: TokenSecrets | undefined = current === undefined ? undefined : { current, previous }
  const sessions = sessionStore(env.DB)
  const people = userStore(env.DB)
  const providers = providerStore(env.DB)
  const guard = durableGuard(env.SIGN_IN_GUARD)
  const cost = passwordCost(config.PERIGEE_PASSWORD_ROUNDS)
  const sessionOf = directory.remember({
    kind: 'session',
    load: (sessionId) => sessions.holder(sessionId),
    prepare: principalOfSession,
    key: (change) => change.subject,
  })
  const trusted = directory.remember({
    kind: 'identity_provider',
    load: () => providers.trusted(),
    prepare: (stored: TrustedProvider[] | undefined) => stored ?? [],
    key: () => '',
  })
  const { changed } = directory
  return {
    accessTokens: accessTokens(
      ownTokens({ secrets, sessionOf, nowMs }),
      outsideTokens({
        providers: () => trusted(''),
        keySets: keySets({
          fetchJwks: (url) => fetchJwks(url, { fetch: (...call) => globalThis.fetch(...call) }),
          nowMs,
          waitUntil,
        }),
        nowMs,
      }),
    ),
    signIn: signIn({
      users: people,
      sessions,
      guard,
      secrets,
      cost,
      accessSeconds: config.PERIGEE_TOKEN_MINUTES * 60,
      sessionMs: config.PERIGEE_SESSION_DAYS * 86_400_000,
      nowMs,
      changed,
    }),
    users: userAdmin({
      store: people,
      guard,
      cost,
      registrationIsOpen: config.PERIGEE_SELF_REGISTRATION === 'on',
      nowMs,
      changed,
    }),
    identityProviders: providerAdmin({ store: providers, nowMs, changed }),
  }
}

/** Answers that were given before, in the isolate's memory and in what is configured behind it. */
function cacheOf(config: Config): AnswerCache {
  const { PERIGEE_UPSTASH_URL: url, PERIGEE_UPSTASH_TOKEN: token, PERIGEE_LOG_LEVEL: level } = config
  return wiredCache({
    policy: config.PERIGEE_CACHE,
    ttlSeconds: config.PERIGEE_CACHE_TTL_SECONDS,
    entriesMax: config.PERIGEE_CACHE_ENTRIES,
    bytesMax: config.PERIGEE_CACHE_BYTES,
    upstash: url !== undefined && token !== undefined ? { url, token } : undefined,
    waitUntil,
    warn(fields) {
      if (level === 'error' || level === 'silent') return
      console.log(JSON.stringify({ level: 'warn', time: new Date().toISOString(), ...fields }))
    },
  })
}

function limitStore(config: Config, env: Env): LimitStore {
  const { PERIGEE_UPSTASH_URL: url, PERIGEE_UPSTASH_TOKEN: token } = config
  if (url === undefined || token === undefined) return durableStore(env.LIMITS)
  return lateStore(async () => {
    const { upstashStore } = await import('./limits/upstash-store.ts')
    return upstashStore({ url, token, timeoutMs: STORE_TIMEOUT_MS })
  })
}

function limitDefaults(config: Config): (principal: Principal) => readonly LimitRule[] {
  const development = developmentLimits(config.PERIGEE_DEV_KEY_REQUESTS_PER_HOUR)
  return ({ tenantId, keyId }) =>
    tenantId === DEVELOPMENT.tenantId && keyId === DEVELOPMENT.keyId ? development : DEFAULT_LIMITS
}

/** 53 random bits: every integer that JSON carries exactly is equally likely. */
function drawSeed(): number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2))
  return (high & 0x1f_ffff) * 2 ** 32 + low
}
