/** The Worker's bindings and variables as the platform hands them over. Variables are raw text: only src/config.ts reads them. */

import type { SignInGuard } from './auth/sign-in-guard.ts'
import type { BudgetLedger } from './budgets/budget-object.ts'
import type { Conversation } from './conversation/conversation.ts'
import type { Config } from './directory/config-object.ts'
import type { Endpoints } from './health/endpoints-object.ts'
import type { Health } from './health/health-object.ts'
import type { Limits } from './limits/limit-object.ts'
import type { Metrics } from './observe/metrics-object.ts'
import type { RequestLog } from './request-log/request-log-object.ts'

type Bindings = Readonly<{
  /** What the installation is told to be: tenants, users, keys, limits, rules, templates. Tables in migrations/. */
  DB: D1Database
  /** A copy of what each request needs of DB, for when DB fails. Up to a minute and more behind. */
  RESERVE: KVNamespace
  CONVERSATION: DurableObjectNamespace<Conversation>
  LIMITS: DurableObjectNamespace<Limits>
  /** One for each tenant, by its id. */
  BUDGET: DurableObjectNamespace<BudgetLedger>
  /** One for each tenant, by its id: requests on their way to DB. */
  REQUEST_LOG: DurableObjectNamespace<RequestLog>
  METRICS: DurableObjectNamespace<Metrics>
  /** What has changed in DB, for isolates to ask. */
  CONFIG: DurableObjectNamespace<Config>
  /** One for each region, by its continent: how deployments do. */
  HEALTH: DurableObjectNamespace<Health>
  /** Inference servers that announce themselves. */
  ENDPOINTS: DurableObjectNamespace<Endpoints>
  SIGN_IN_GUARD: DurableObjectNamespace<SignInGuard>
}>

/** Every name in src/config.ts; which of them is set is the deployment's choice. */
type Variables = Readonly<{ [name: `PERIGEE_${string}`]: string | undefined }>

/** Credentials of deployments, which the routing document names. */
type UpstreamSecrets = Readonly<{ [name: `UPSTREAM_${string}`]: string | undefined }>

export type Env = Bindings & Variables & UpstreamSecrets
