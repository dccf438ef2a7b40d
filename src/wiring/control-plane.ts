/** What only the routes beside the request path use: loaded with them, when the first of them is asked for (src/edge.ts). */
import { durableGuard } from '../auth/guard-client.ts'
import { keyAdmin } from '../auth/key-admin.ts'
import { keyStore } from '../auth/key-store.ts'
import { knownKeys } from '../auth/known-keys.ts'
import { passwordCost } from '../auth/password-hash.ts'
import { providerAdmin } from '../auth/provider-admin.ts'
import { providerStore } from '../auth/provider-store.ts'
import { sessionStore } from '../auth/session-store.ts'
import { signIn } from '../auth/sign-in.ts'
import { tenantAdmin } from '../auth/tenant-admin.ts'
import { tenantStore } from '../auth/tenant-store.ts'
import { userAdmin } from '../auth/user-admin.ts'
import { userStore } from '../auth/user-store.ts'
import { budgetAdmin } from '../budgets/budget-admin.ts'
import { budgetStore } from '../budgets/budget-store.ts'
import { priceStore } from '../budgets/price-store.ts'
import { usageStore } from '../budgets/usage-store.ts'
import { readUpstreamSecrets } from '../config.ts'
import { filterStore } from '../filter/filter-store.ts'
import type { ControlPorts } from '../http/ports.ts'
import { limitTable } from '../limits/limit-table.ts'
import { promptLibrary } from '../prompts/prompt-library.ts'
import { promptStore } from '../prompts/prompt-store.ts'
import { routingAdmin } from '../registry/routing-admin.ts'
import { routingStore } from '../registry/routing-store.ts'
import { requestStore } from '../request-log/request-store.ts'
import { answeringStore } from '../while-store-answers.ts'
import { ADAPTERS } from './adapters.ts'
import { type Isolate, tokenSecrets } from './isolate.ts'
import { configOfSettings } from './models.ts'

export function wireControlPlane(isolate: Isolate): ControlPorts {
  const { env, directory, stored, nowMs } = isolate
  const { changed } = directory
  return {
    ...userPorts(isolate),
    keyAdmin: keyAdmin({ store: keyStore(env.DB), changed, nowMs }),
    knownKeys: knownKeys(env.DB),
    tenantAdmin: tenantAdmin({ store: tenantStore(env.DB), changed, nowMs }),
    identityProviders: providerAdmin({ store: providerStore(env.DB), nowMs, changed }),
    limitTable: limitTable({ db: env.DB, changed, nowMs }),
    promptLibrary: promptLibrary(answeringStore(promptStore({ ...stored, newId: () => crypto.randomUUID() }))),
    budgets: budgetAdmin({
      store: budgetStore(stored),
      use: async (tenantId, ids) => env.BUDGET.getByName(tenantId).use(ids),
      now: nowMs,
    }),
    prices: answeringStore(priceStore(stored)),
    usage: answeringStore(usageStore(env.DB)),
    requests: answeringStore(requestStore(env.DB)),
    filterRules: filterStore(stored),
    routing: routingPort(isolate),
  }
}

function routingPort({ env, config, stored }: Isolate): ControlPorts['routing'] {
  const secrets = readUpstreamSecrets(env)
  return routingAdmin({
    store: answeringStore(routingStore(stored)),
    rules: {
      adapters: ADAPTERS,
      hasSecret: (name) => secrets.has(name),
      allowInternal: config.PERIGEE_ALLOW_INTERNAL_URLS === 'on',
      own: [config.PERIGEE_INFERENCE_URL],
    },
    ofSettings: configOfSettings(config),
  })
}

function userPorts({ env, config, directory, nowMs }: Isolate): Pick<ControlPorts, 'signIn' | 'users'> {
  const { changed } = directory
  const people = userStore(env.DB)
  const guard = durableGuard(env.SIGN_IN_GUARD)
  const cost = passwordCost(config.PERIGEE_PASSWORD_ROUNDS)
  return {
    signIn: signIn({
      users: people,
      sessions: sessionStore(env.DB),
      guard,
      secrets: tokenSecrets(config),
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
  }
}
