/** What a request is counted in: made once for a caller and an endpoint (or model), and again when the rules change. */
import type { Principal } from '../chat/ports.ts'
import type { LimitDimension, LimitKind } from '../contract/limits.ts'
import type { Spend } from './leased-windows.ts'
import { type LimitRule, rulesFor } from './limit-rules.ts'
import type { Counter } from './stores.ts'

export type LimitedWindow = { rule: LimitRule; policy: string; spend: Spend }
export type LimitedStream = { rule: LimitRule; counter: Counter }

export type RequestPlan = { windows: readonly LimitedWindow[]; spends: readonly Spend[] }
export type ModelPlan = {
  requests: readonly LimitedWindow[]
  /** Their cost is set for each request. */
  tokens: readonly LimitedWindow[]
  streams: readonly LimitedStream[]
}

export type LimitPlans = {
  ofRequest(rules: readonly LimitRule[], principal: Principal, endpoint: string): RequestPlan
  ofEndUser(rules: readonly LimitRule[], principal: Principal, label: string): RequestPlan
  ofModel(rules: readonly LimitRule[], principal: Principal, alias: string): ModelPlan
  /** The last that was made, if it is still known. */
  knownRequest(principal: Principal, endpoint: string): RequestPlan | undefined
  knownModel(principal: Principal, alias: string): ModelPlan | undefined
}

/** Callers times endpoints that one isolate remembers. */
const PLANS_MAX = 10_000
/** What a usual answer costs; sizes the first slice. */
const TOKENS_TYPICAL = 512
/** Limits can be changed whatever they are: by themselves, only the shipped ones hold. */
const ADMINISTRATION = / \/admin\/limits(\/|$)/

export function limitPlans(defaultsOf: (principal: Principal) => readonly LimitRule[]): LimitPlans {
  const requests = remembered<RequestPlan>()
  const models = remembered<ModelPlan>()

  const windowsOf = (
    rules: readonly LimitRule[],
    principal: Principal,
    kind: Exclude<LimitKind, 'streams'>,
    dimensions: readonly (readonly [LimitDimension, string])[],
  ): LimitedWindow[] =>
    dimensions.flatMap(([dimension, subject]) =>
      rulesFor(rules, defaultsOf(principal), { dimension, kind, subject }).map((rule) => {
        const seconds = rule.windowMs / 1_000
        const counter = {
          owner: ownerOf(dimension, principal, subject),
          name: `${nameOf(dimension, kind, subject)} ${seconds}s`,
          amount: rule.amount,
          windowMs: rule.windowMs,
        }
        const typicalCost = kind === 'tokens' ? TOKENS_TYPICAL : 1
        return { rule, policy: `${dimension}-${kind}-${seconds}s`, spend: { counter, cost: 1, typicalCost } }
      }),
    )

  const requestPlan = (windows: readonly LimitedWindow[]): RequestPlan => ({
    windows,
    spends: windows.map(({ spend }) => spend),
  })

  return {
    ofRequest(rules, principal, endpoint) {
      return requests.of(requestKey(principal, endpoint), rules, () =>
        requestPlan(
          windowsOf(ADMINISTRATION.test(endpoint) ? [] : rules, principal, 'requests', [
            ['tenant', principal.tenantId],
            ['key', principal.keyId],
            ['user', userOf(principal)],
            ['endpoint', endpoint],
          ]),
        ),
      )
    },

    ofEndUser(rules, principal, label) {
      return requestPlan(windowsOf(rules, principal, 'requests', [['end_user', label]]))
    },

    ofModel(rules, principal, alias) {
      return models.of(requestKey(principal, alias), rules, () => {
        const dimensions: (readonly [LimitDimension, string])[] = [
          ['tenant', principal.tenantId],
          ['key', principal.keyId],
          ['user', userOf(principal)],
          ['model', alias],
        ]
        return {
          requests: windowsOf(rules, principal, 'requests', [['model', alias]]),
          tokens: windowsOf(rules, principal, 'tokens', dimensions),
          streams: dimensions.flatMap(([dimension, subject]) =>
            rulesFor(rules, defaultsOf(principal), { dimension, kind: 'streams', subject }).map((rule) => ({
              rule,
              counter: {
                owner: ownerOf(dimension, principal, subject),
                name: nameOf(dimension, 'streams', subject),
                amount: rule.amount,
              },
            })),
          ),
        }
      })
    },

    knownRequest: (principal, endpoint) => requests.known(requestKey(principal, endpoint)),
    knownModel: (principal, alias) => models.known(requestKey(principal, alias)),
  }
}

/** The user is the token's `sub`; under a server key it is the key. */
function userOf({ userId, keyId }: Principal): string {
  return userId ?? keyId
}

function requestKey({ tenantId, keyId, userId }: Principal, what: string): string {
  return `${tenantId} ${keyId} ${userId ?? ''} ${what}`
}

/** The tenant is in every name; what others chose is escaped, so that no name can be read as another. */
function ownerOf(dimension: LimitDimension, { tenantId, keyId, userId }: Principal, subject: string): string {
  switch (dimension) {
    case 'tenant':
      return `${tenantId}/tenant`
    case 'model':
      return `${tenantId}/model/${encodeURIComponent(subject)}`
    case 'key':
    case 'end_user':
      return `${tenantId}/key/${encodeURIComponent(keyId)}`
    case 'user':
    case 'endpoint':
      return userId === undefined
        ? `${tenantId}/key/${encodeURIComponent(keyId)}`
        : `${tenantId}/user/${encodeURIComponent(userId)}`
  }
}

function nameOf(dimension: LimitDimension, kind: LimitKind, subject: string): string {
  const isWithin = dimension === 'endpoint' || dimension === 'end_user'
  return isWithin ? `${dimension} ${encodeURIComponent(subject)} ${kind}` : `${dimension} ${kind}`
}

function remembered<Plan>() {
  const plans = new Map<string, { rules: readonly LimitRule[]; plan: Plan }>()
  return {
    of(key: string, rules: readonly LimitRule[], make: () => Plan): Plan {
      const known = plans.get(key)
      if (known?.rules === rules) return known.plan
      if (plans.size >= PLANS_MAX) plans.clear()
      const plan = make()
      plans.set(key, { rules, plan })
      return plan
    },
    known: (key: string): Plan | undefined => plans.get(key)?.plan,
  }
}
