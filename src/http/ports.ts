/**
 * What middleware and routes need beyond `chat/complete`. Adapters live in the capability folders; src/wiring/ makes them.
 * Long, because it is a list of types with nothing between them: one place to see what HTTP asks of the rest.
 */

import type { AttemptRecord, CompletePorts, Place, Principal, TokenCounter } from '../chat/ports.ts'
import type { ChatTurnRequest, ChatTurnResponse } from '../contract/chat-turn.ts'
import type { FilterRule } from '../contract/filter-rules.ts'
import type { Heartbeat, ServerLoad } from '../contract/heartbeat.ts'
import type {
  IdentityProviderChange,
  IdentityProviderObject,
  NewIdentityProvider,
} from '../contract/identity-providers.ts'
import type { CreateKey, KeyView, NewKeyView, PatchKey } from '../contract/keys.ts'
import type { Limit, LimitChange, NewLimit } from '../contract/limits.ts'
import type { ModerationVerdict } from '../contract/moderation.ts'
import type { NewPrompt, NewVersion, Template } from '../contract/prompt-template.ts'
import type { RoutingConfig } from '../contract/routing-config.ts'
import type { Scope } from '../contract/scopes.ts'
import type { CreateTenant, PatchTenant, TenantView } from '../contract/tenants.ts'
import type { NewUser, Registration, UserChange, UserObject } from '../contract/users.ts'
import type { ErrorValue, FieldProblem } from '../errors.ts'

/** API keys by the SHA-256 of their text, lower-case hexadecimal: what is compared is no secret. */
export type Keys = {
  /**
   * Undefined: unknown, revoked, expired by now, or of a tenant that is suspended. Synchronous while the isolate knows the key. Throws or
   * rejects with origin_not_allowed, and with store_unavailable when nobody can tell: closed.
   */
  find(sha256Hex: string, from: UsedFrom): Principal | undefined | Promise<Principal | undefined>
}

/** Where a request comes from, as far as it says. */
export type UsedFrom = {
  /** The header `Origin`: set by browsers, by others at will. */
  origin: string | undefined
  /** The caller's address as Cloudflare saw it. */
  address: string | undefined
}

/** `tenantId`: whose keys; that the actor may look there was checked. */
type KeyCall = { actor: Principal; tenantId: string }

/**
 * Keys as those who may see them. Rejects with resource_not_found (also for what is another tenant's), permission_denied when the
 * actor would give what he lacks, invalid_request, stale_write, store_unavailable. What resolves is committed, and every isolate hears of it.
 */
export type KeyAdmin = {
  create(call: KeyCall & { input: CreateKey }): Promise<NewKeyView>
  list(tenantId: string, page: PageRequest): Promise<Page<KeyView>>
  get(tenantId: string, id: string): Promise<KeyView>
  patch(call: KeyCall & { id: string; input: PatchKey }): Promise<KeyView>
  rotate(call: KeyCall & { id: string; overlapSeconds: number }): Promise<NewKeyView>
  revoke(call: KeyCall & { id: string }): Promise<KeyView>
}

/** Who may be named in what is set for one key. Rejects with store_unavailable. */
export type KnownKeys = {
  /** Whether principals of this tenant can have this `keyId`. Another tenant's key is as one that is not there. */
  has(tenantId: string, keyId: string): Promise<boolean>
}

/** Tenants. Rejects with resource_not_found, already_exists, invalid_request, store_unavailable. */
export type TenantAdmin = {
  create(input: CreateTenant): Promise<TenantView>
  list(page: PageRequest): Promise<Page<TenantView>>
  get(id: string): Promise<TenantView>
  patch(id: string, input: PatchTenant): Promise<TenantView>
  /** Its keys are revoked, its users deleted. */
  remove(id: string): Promise<void>
}

/** Access tokens: those that POST /auth/token gives, and those of outside identity providers. */
export type AccessTokens = {
  /**
   * Undefined when the token is not valid, whatever the reason. Synchronous for our own while the isolate remembers the session.
   * Rejects with store_unavailable: closed.
   */
  verify(token: string): Principal | undefined | Promise<Principal | undefined>
}

/** What `POST /auth/token` gives. */
export type Grant = {
  accessToken: string
  expiresInSeconds: number
  refreshToken: string
  scopes: readonly Scope[]
}

/** Signing in and out. Rejects with invalid_grant, rate_limited, not_configured or store_unavailable. */
export type SignIn = {
  /** `address`: of the caller, as http/caller-address.ts has it. A wrong name and a wrong password take the same time. */
  withPassword(call: { email: string; password: string; address: string }): Promise<Grant>
  /** Each refresh token is good once; one that comes again ends its session. */
  withRefreshToken(token: string): Promise<Grant>
  /** Ends the session of an access token that was accepted, or all of its user. Rejects with invalid_request for one that is not ours. */
  end(accessToken: string, everywhere: boolean): Promise<void>
  /**
   * For who holds an access token of ours and knows the present password; the user's other sessions end. Rejects with invalid_request,
   * rate_limited, stale_write or store_unavailable.
   */
  changePassword(call: { accessToken: string; tenantId: string; current: string; next: string }): Promise<UserObject>
}

/**
 * Users of a tenant. Another tenant's is resource_not_found, as a missing one. `by` may not give, change or remove a role that may more
 * than he: permission_denied. Also rejects with already_exists, stale_write, store_unavailable.
 */
export type Users = {
  create(call: { by: Principal; tenantId: string; user: NewUser }): Promise<UserObject>
  list(tenantId: string, page: PageRequest): Promise<Page<UserObject>>
  get(call: { tenantId: string; userId: string }): Promise<UserObject>
  change(call: { by: Principal; tenantId: string; userId: string; change: UserChange }): Promise<UserObject>
  remove(call: { by: Principal; tenantId: string; userId: string }): Promise<void>
  /** not_found where nobody may open an account himself. */
  register(call: { registration: Registration; address: string }): Promise<UserObject>
}

/** Whose tokens are taken beside our own. Rejects with resource_not_found (also for a tenant that is named and is not there), already_exists, store_unavailable. */
export type IdentityProviders = {
  create(tenantId: string, provider: NewIdentityProvider): Promise<IdentityProviderObject>
  list(page: PageRequest): Promise<Page<IdentityProviderObject>>
  get(id: string): Promise<IdentityProviderObject>
  change(id: string, change: IdentityProviderChange): Promise<IdentityProviderObject>
  remove(id: string): Promise<void>
}

/** `/chat`: one turn in a stored conversation. Expected failures are values: they cross an RPC boundary. */
export type Conversations = {
  turn(call: {
    principal: Principal
    request: ChatTurnRequest
    requestId: string
    place?: Place
  }): Promise<{ ok: true; response: ChatTurnResponse } | { ok: false; error: ErrorValue }>
}

/** Requests of a tenant, a key, a user and at an endpoint. Reject with rate_limited, which costs no quota, or store_unavailable. */
export type RequestLimits = {
  /** `endpoint`: method and pattern, as `POST /chat`. Synchronous on the usual request. */
  enter(call: { principal: Principal; endpoint: string }): RequestEntry | Promise<RequestEntry>
  /** Under a server key: `label` is what the body calls its user, a part of what the key may use. */
  enterEndUser(call: { principal: Principal; label: string }): RequestEntry | Promise<RequestEntry>
  /** What this isolate knows; asks no store. `alias`: the model's limits, too. */
  standing(call: { principal: Principal; endpoint: string; alias?: string }): readonly LimitStanding[]
}

export type RequestEntry = {
  /** The request was refused later on and costs nothing. */
  refund(): void
}

export type LimitStanding = {
  /** Names the limit among those that hold for a caller. */
  policy: string
  kind: 'requests' | 'tokens'
  limit: number
  windowSeconds: number
  remaining: number
  resetMs: number
}

/** A tenant's own limits. Rejects with already_exists or store_unavailable. */
export type LimitTable = {
  list(tenantId: string, page: PageRequest): Promise<Page<Limit>>
  create(tenantId: string, limit: NewLimit): Promise<Limit>
  find(tenantId: string, id: string): Promise<Limit | undefined>
  change(tenantId: string, id: string, change: LimitChange): Promise<Limit | undefined>
  remove(tenantId: string, id: string): Promise<boolean>
}

/** Inference servers that announce themselves. */
export type Heartbeats = {
  /** When it was sent, in milliseconds since 1970. Throws not_configured where no secret is set, invalid_signature otherwise. `text`: the body. */
  verify(signed: { time: string | undefined; signature: string | undefined; text: string }): number
  /** Rejects with invalid_signature for one that came before, invalid_request for an address that may not be called, or store_unavailable. */
  announce(heartbeat: Heartbeat, sentAtMs: number): Promise<void>
}

/** A server that announced itself and was heard of lately. */
export type AnnouncedServer = {
  deploymentId: string
  instance: string
  url: string
  model: string
  draining: boolean
  load: ServerLoad
  heardAgoMs: number
}

/** What a region knows of one deployment: its state, and why. */
export type DeploymentHealth = {
  id: string
  /** `trying`: its time is over, and one call finds out. `busy`: it said when to come again. */
  state: 'well' | 'open' | 'trying' | 'busy' | 'full' | 'draining'
  /** One sentence. */
  why: string
  /** The error, or the outcome of the check, that opened it. */
  code: string | undefined
  /** Until then nothing is sent to it. */
  closedForMs: number
  /** How many times in a row it opened. */
  openings: number
  inFlight: number
  inFlightMax: number | undefined
  queued: number
  queueMax: number
  latencyMs: number | undefined
  requestsPerSecond: number
  failuresPerSecond: number
  lastFailure: { code: string; atMs: number } | undefined
  lastCheck: { ok: boolean; code: string; ms: number; atMs: number } | undefined
}

/** `waiting`: requests in queues, each once however many deployments would do. */
export type RegionHealthRecord = {
  region: string
  deployments: DeploymentHealth[]
  servers: AnnouncedServer[]
  waiting: number
}

export type HealthReader = {
  /** Of this region, or of another. Rejects with store_unavailable. */
  read(region: string | undefined): Promise<RegionHealthRecord>
  /** Where the isolate is, as its first request says: a continent as Cloudflare names it. Never waits. */
  tellRegion(continent: unknown): void
}

/** Counters of all isolates as Prometheus text (exposition format 0.0.4). */
export type MetricsReader = {
  text(): Promise<string>
}

/** One page of a list: what comes after the object with the id `after`, at most `limit` of it. */
export type PageRequest = { limit: number; after?: string | undefined }
export type Page<Item> = { data: Item[]; hasMore: boolean }

export type PromptRecord = {
  id: string
  description: string
  /** Ours, the same for every tenant; read-only. */
  builtIn: boolean
  latestVersion: number
  labels: Readonly<Record<string, number>>
  createdAtMs: number
  updatedAtMs: number
}

export type PromptVersionRecord = {
  version: number
  template: Template
  note: string
  createdBy: string
  createdAtMs: number
}

/** A tenant's prompt templates and the built-in ones. Rejects with prompt_not_found, already_exists or invalid_request. */
export type PromptLibrary = {
  list(tenantId: string, page: PageRequest): Promise<Page<PromptRecord>>
  get(tenantId: string, id: string): Promise<PromptRecord>
  create(tenantId: string, by: string, prompt: NewPrompt): Promise<PromptRecord>
  describe(tenantId: string, id: string, description: string): Promise<PromptRecord>
  remove(tenantId: string, id: string): Promise<void>
  addVersion(tenantId: string, by: string, id: string, version: NewVersion): Promise<PromptVersionRecord>
  version(tenantId: string, id: string, version: number): Promise<PromptVersionRecord>
  versions(tenantId: string, id: string, page: PageRequest): Promise<Page<PromptVersionRecord>>
  point(tenantId: string, by: string, id: string, label: string, version: number): Promise<PromptRecord>
  unpoint(tenantId: string, id: string, label: string): Promise<PromptRecord>
  /** A unified diff; empty when nothing differs. */
  diff(tenantId: string, id: string, from: number, to: number): Promise<string>
}

export type BudgetRecord = {
  id: string
  period: 'day' | 'month'
  unit: 'tokens' | 'cost'
  /** Absent: of the whole tenant. */
  keyId?: string
  limit: number
  version: number
  updatedAtMs: number
  /** Settled in the present period. */
  spent: number
  /** Held by isolates that fell silent: counts as spent until they tell otherwise. */
  presumed: number
  /** Held by answers that run, and in store for the next. */
  reserved: number
  left: number
  resetsAtMs: number
}

/** A tenant's budgets, with what is spent of them. Rejects with stale_write, invalid_request or store_unavailable. */
export type BudgetAdmin = {
  list(tenantId: string, page: PageRequest): Promise<Page<BudgetRecord>>
  get(tenantId: string, id: string): Promise<BudgetRecord | undefined>
  /** Rejects with stale_write when something else is there than was expected. */
  put(tenantId: string, id: string, limit: number, expected: ExpectedVersion): Promise<BudgetRecord>
  remove(tenantId: string, id: string, expected: ExpectedVersion): Promise<'deleted' | 'missing' | 'stale'>
}

/** Micro-units of the installation's currency for a million tokens. */
export type PriceRecord = {
  model: string
  version: number
  input: number
  cachedInput: number
  output: number
  sinceMs: number
}

/** The installation's prices by alias. A version never changes. */
export type PriceAdmin = {
  list(page: PageRequest): Promise<Page<PriceRecord>>
  /** Newest first. */
  versions(model: string, page: PageRequest): Promise<Page<PriceRecord>>
  put(model: string, price: { input: number; cachedInput: number; output: number }): Promise<PriceRecord>
}

export type UsageRecord = {
  id: string
  /** Where a list goes on after it. */
  cursor: string
  requestId: string
  keyId: string
  userId?: string
  model: string
  promptTokens: number
  cachedTokens: number
  completionTokens: number
  chargedTokens: number
  costNano: number
  priceVersion: number
  startedAtMs: number
  endedAtMs: number
}

export type UsageQuery = PageRequest & {
  fromMs?: number | undefined
  toMs?: number | undefined
  keyId?: string | undefined
  userId?: string | undefined
  model?: string | undefined
}

export type UsageSumQuery = Omit<UsageQuery, 'after'> & { by: 'day' | 'model' | 'key' | 'user' }

export type UsageSum = {
  /** A day as 2026-11-24, a model, a key or a user. Empty: of requests without a user. */
  name: string
  requests: number
  promptTokens: number
  cachedTokens: number
  completionTokens: number
  costNano: number
}

/** Every answer that was paid for, seconds after it ended. */
export type UsageReader = {
  list(tenantId: string, query: UsageQuery): Promise<Page<UsageRecord>>
  sums(tenantId: string, query: UsageSumQuery): Promise<Page<UsageSum>>
}

/** One completion, without what was said. Undefined is what was never known: a model that was not asked, tokens that nobody told. */
export type RequestRecord = {
  id: string
  requestId: string
  endpoint?: string
  client?: string
  keyId: string
  userId?: string
  /** The alias as the caller wrote it. */
  model: string
  deployment?: { id: string; model: string }
  status: number
  /** `ok`, or an error code. */
  code: string
  cache?: string
  stream: boolean
  promptTokens?: number
  cachedTokens?: number
  completionTokens?: number
  costNano?: number
  startedAtMs: number
  /** From the start. */
  firstTokenMs?: number
  totalMs: number
  attempts: number
  continued: boolean
}

export type RequestDetails = RequestRecord & {
  /** Milliseconds of each step that was reached, in their order. */
  stages: Readonly<Record<string, number>>
  calls: readonly AttemptRecord[]
}

/** `status`: `ok`, `error`, or one as 429. `attempts`: at least so many. */
export type RequestQuery = PageRequest & {
  fromMs?: number | undefined
  toMs?: number | undefined
  keyId?: string | undefined
  userId?: string | undefined
  model?: string | undefined
  requestId?: string | undefined
  status?: string | undefined
  code?: string | undefined
  cache?: string | undefined
  attempts?: number | undefined
}

/** Every completion of a tenant, seconds after it ended. Rejects with store_unavailable. */
export type RequestReader = {
  /** Newest first. */
  list(tenantId: string, query: RequestQuery): Promise<Page<RequestRecord>>
  /** By its id, or the newest with this request id. */
  find(tenantId: string, id: string): Promise<RequestDetails | undefined>
}

/** A tenant's filter rules as they are stored. Rejects with store_unavailable. */
export type FilterRuleStore = {
  /** In the order of their names. */
  list(tenantId: string, page: PageRequest): Promise<Page<FilterRuleSummary>>
  get(tenantId: string, name: string): Promise<StoredFilterRule | undefined>
  /** `full`: the tenant would have more rules or words than it may. */
  put(
    tenantId: string,
    name: string,
    rule: FilterRule,
    expected: ExpectedVersion,
  ): Promise<{ outcome: 'stored'; version: number; updatedAtMs: number } | { outcome: 'stale' | 'full' }>
  delete(tenantId: string, name: string, expected: ExpectedVersion): Promise<'deleted' | 'missing' | 'stale'>
  /** The index of a word of which nothing is left when it is normalised: it would be everywhere. */
  unusableWord(rule: FilterRule): number | undefined
}

/** What the caller believes is stored: `any` thing or nothing, nothing, or this version. */
export type ExpectedVersion = 'any' | 'none' | number

export type FilterRuleSummary = Omit<FilterRule, 'words'> & {
  name: string
  version: number
  wordCount: number
  updatedAtMs: number
}

export type StoredFilterRule = { name: string; version: number; updatedAtMs: number; rule: FilterRule }

/** What a tenant's rules say of texts: of each by itself, or of all of them as one. */
export type Moderations = {
  check(tenantId: string, inputs: readonly (readonly string[])[]): Promise<ModerationVerdict[]>
}

/** Which models there are and who answers for them: one document, whose every change is a version. Rejects with store_unavailable. */
export type RoutingAdmin = {
  current(): Promise<RoutingRecord>
  version(number: number): Promise<RoutingRecord | undefined>
  /** Newest first, without version 0. */
  versions(page: PageRequest): Promise<Page<RoutingVersion>>
  /** What applying it would mean. Writes nothing. */
  plan(config: RoutingConfig): Promise<{ version: number; problems: FieldProblem[]; diff: RoutingChange[] }>
  /** What `edit` makes of the document that holds becomes the next version, whole or not at all. */
  apply(change: RoutingEdit & { edit(config: RoutingConfig): RoutingConfig | undefined }): Promise<RoutingOutcome>
  /** The document of an earlier version becomes the next one. `missing`: there is no such version. */
  rollBack(change: RoutingEdit & { to: number }): Promise<RoutingOutcome>
}

type RoutingEdit = { by: Principal; comment: string; expected: ExpectedVersion }

export type RoutingOutcome =
  /** `unchanged`: it is what holds already, so there is no new version. */
  | { outcome: 'stored' | 'unchanged'; record: RoutingRecord }
  | { outcome: 'refused'; problems: FieldProblem[] }
  /** `missing`: there was nothing to edit. */
  | { outcome: 'stale' | 'missing' }

export type RoutingVersion = {
  /** 0: nothing was ever applied, and what the settings say holds. */
  number: number
  /** Absent of version 0. */
  created?: { atMs: number; keyId: string; userId?: string }
  comment: string
  rolledBackTo?: number
  /** The first changes against the version before; `count` is of all. */
  diff: { count: number; changes: RoutingChange[] }
}

export type RoutingRecord = RoutingVersion & { config: RoutingConfig }

/** `path` as `models.chat.targets.0.weight`. What was added has no `before`, what was removed no `after`. */
export type RoutingChange = { path: string; change: 'added' | 'removed' | 'changed'; before?: unknown; after?: unknown }

/** What settings say to routes and middleware. */
export type HttpSettings = {
  /** The largest body of any route; text-only routes take less. */
  bodyBytesMax: number
  /** The least severe line that is written to the log. */
  logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** The alias of a request that names no model. */
  defaultModel: string
}

/** What middleware and the routes of the request path may use, made once per isolate by src/wiring.ts. */
export type RequestPorts = {
  complete: CompletePorts
  tokenCounter: TokenCounter
  keys: Keys
  accessTokens: AccessTokens
  /** SHA-256 as 64 lower-case hexadecimal digits: how `keys` knows a key. */
  sha256Hex(text: string): string
  conversations: Conversations
  limits: RequestLimits
  metrics: MetricsReader
  heartbeats: Heartbeats
  health: HealthReader
  moderations: Moderations
  settings: HttpSettings
}

/** What only routes that are loaded when first asked for may use: src/wiring/control-plane.ts. */
export type ControlPorts = {
  signIn: SignIn
  users: Users
  identityProviders: IdentityProviders
  keyAdmin: KeyAdmin
  knownKeys: KnownKeys
  tenantAdmin: TenantAdmin
  limitTable: LimitTable
  promptLibrary: PromptLibrary
  budgets: BudgetAdmin
  prices: PriceAdmin
  usage: UsageReader
  requests: RequestReader
  filterRules: FilterRuleStore
  routing: RoutingAdmin
}

export type HttpPorts = RequestPorts & ControlPorts
