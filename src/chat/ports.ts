/**
 * What `complete` needs from the world, as small interfaces that belong to it. Adapters live in the capability folders and are
 * made in src/wiring.ts and src/wiring/ only. Types alone: importing this file costs nothing at run time. Long, because it is a list of
 * them: one place to see what the sequence asks of the rest.
 */
import type { ChatChunk, ChatRequest, TextRequest, TextResponse, Usage } from '../contract/chat-completion.ts'
import type { Continuation } from '../contract/continuation.ts'
import type { FilterFlag } from '../contract/filter-rules.ts'
import type { Continue } from '../contract/inference-wire.ts'
import type { PromptedChatRequest, PromptReference } from '../contract/prompted-chat.ts'
import type { AdapterKind, Capability, Condition, Strategy } from '../contract/routing-config.ts'
import type { Scope } from '../contract/scopes.ts'
import type { ErrorCode } from '../errors.ts'

/** Who calls. The tenant is in every name and key that is derived from a request. */
export type Principal = {
  tenantId: string
  keyId: string
  /** The token's `sub`; absent under a server key. */
  userId?: string
  scopes: readonly Scope[]
  /** The aliases that the key may use; absent: all of its tenant's. */
  models?: readonly string[]
}

/** A request after parsing; it may name a template. */
export type CallerRequest = { kind: 'chat'; body: PromptedChatRequest } | { kind: 'text'; body: TextRequest }

/** A request as a model may see it. The body keeps unknown fields: they pass through. */
export type ModelRequest = { kind: 'chat'; body: ChatRequest } | { kind: 'text'; body: TextRequest }

/** One event of a model's stream, as OpenAI puts it on the wire. */
export type ModelEvent = ChatChunk | TextResponse

/** One place where a model answers. Made once per version of the configuration. */
export type Deployment = {
  id: string
  adapter: AdapterKind
  /** The name that the endpoint knows the model by; the caller sees it as `model`. */
  model: string
  timeouts: Timeouts
  capabilities: ReadonlySet<Capability>
  /** How it can take up an answer that died elsewhere, the best first. */
  continuation: readonly Continuation[]
  /** Undefined: not known, so a prompt is never too long for it beforehand. */
  contextTokens: number | undefined
  region: string | undefined
  location: { latitude: number; longitude: number } | undefined
  /** Micro-units of currency a million tokens. */
  price: { input: number; output: number } | undefined
  /** Calls at once; more wait. Undefined: until the endpoint itself says that it is busy. */
  inFlightMax: number | undefined
  queue: { length: number; waitMs: number }
  upstream: Upstream
}

/** Milliseconds. `firstToken` stretches to `firstTokenWhileWaiting` as long as the endpoint says that it is alive. */
export type Timeouts = {
  connect: number
  firstToken: number
  firstTokenWhileWaiting: number
  betweenTokens: number
  total: number
}

export type UpstreamCall = {
  request: ModelRequest
  model: string
  /** Every request has a seed by now; `drawnSeed` says that the edge drew it. */
  seed: number
  drawnSeed: boolean
  requestId: string
  /** For endpoints that keep what tenants said apart. */
  tenantId?: string
  timeouts: Timeouts
  /** Goes on with an answer from its tokens; only for deployments whose `continuation` has token_ids. */
  continueFrom?: Continue
}

/**
 * An endpoint's protocol, without policy: maps in, calls, maps out.
 * `open` resolves when the first event has arrived, so that a failure before it can still become a status; it rejects with an
 * AppError. Batches hold all events that one read of the network held. Iteration throws an AppError when the stream is cut,
 * stalls or reports an error, and ends only after a finish reason. Aborting the signal, or returning early, cancels the model.
 */
export type Upstream = {
  open(call: UpstreamCall, signal: AbortSignal): Promise<ModelEventStream>
}

export type ModelEventStream = AsyncIterable<readonly ModelEvent[]>

/** What an alias stands for in one version of the configuration. The object is the same as long as that version is. */
export type Route = {
  alias: string
  targets: readonly Target[]
  strategy: Strategy
  sticky: 'tenant' | 'user' | 'conversation' | undefined
  canary: { deploymentId: string; percent: number; by: 'request' | 'tenant' | 'user' | 'conversation' } | undefined
  affinity: { by: 'off' | 'prefix' | 'conversation'; spill: number }
  /** In which ways an answer that died may be taken up. */
  continueBy: readonly Continuation[]
}

export type Target = {
  deployment: Deployment
  /** Lower goes first. */
  priority: number
  weight: number
  when: Condition | undefined
}

/** What conditions and choices look at. */
export type RequestFacts = {
  tenantId: string
  userId: string | undefined
  conversationId: string | undefined
  /** Where the caller is, as far as the platform says. */
  place: Place | undefined
  promptChars: number
  metadata: Readonly<Record<string, string>>
  needs: ReadonlySet<Capability>
  /** What begins alike, longest first: hashes of the beginnings of the prompt, in the tenant's name. Reckoned when somebody looks: only where affinity is on. */
  prefixes: readonly string[]
}

export type Place = { country?: string; continent?: string; latitude?: number; longitude?: number }

/** A request that is ready for any deployment: the alias is resolved, the seed is set. */
export type AttemptCall = Omit<UpstreamCall, 'model' | 'timeouts' | 'continueFrom'> & {
  facts: RequestFacts
  /** Grows by each call, so that they are known of a request that nobody answers, too. */
  attempts?: AttemptRecord[]
}

/**
 * Asks deployments until one has begun to answer, and goes on elsewhere when it dies: the caller reads one stream. Rejects with the
 * AppError that says most to the caller. Iteration throws only when nobody can take the answer up.
 */
export type Attempt = (route: Route, call: AttemptCall, signal: AbortSignal) => Promise<OpenedAnswer>

/** One call of one deployment for one request, for the log: what failed is recorded and not billed. */
export type AttemptRecord = {
  deploymentId: string
  model: string
  kind: 'first' | 'retry' | 'continuation'
  /** How a continuation took the answer up. */
  by?: Continuation
  /** Milliseconds since 1970. */
  startedAtMs: number
  /** From the call to its first event. */
  firstTokenMs?: number
  /** From the call to its end. Absent while it runs. */
  ms?: number
  /** Absent while it runs, and where it answered to the end. */
  code?: ErrorCode
}

/** How healthy deployments are, as far as this isolate knows. Everything but `wait` is synchronous. */
export type Health = {
  /** One that nobody knows is well. */
  view(deployment: Deployment): HealthView
  /** Takes a place among its calls, or undefined: its breaker is open and no probe is due, or it is full. */
  enter(deployment: Deployment): CallInFlight | undefined
  /**
   * For when `enter` found none: waits in the queues of all these, round robin between tenants, and resolves with the first place.
   * Rejects with upstream_overloaded and the seconds to wait when it cannot be served in time, at once where that is foreseeable.
   */
  wait(
    deployments: readonly Deployment[],
    who: { tenantId: string; deadlineMs: number },
    signal: AbortSignal,
  ): Promise<{ deployment: Deployment; call: CallInFlight }>
}

export type HealthView = {
  /** `probing`: the breaker is open, and one call may try. `draining`: it asked for no more. */
  state: 'well' | 'open' | 'probing' | 'full' | 'draining'
  inFlight: number
  /** Exponentially weighted mean of the time to the first event. Undefined: it has not answered yet. */
  latencyMs: number | undefined
  /** Until then nothing is sent to it: its breaker, or its Retry-After. Milliseconds since 1970. */
  closedUntilMs: number | undefined
}

export type CallInFlight = {
  firstEvent(): void
  /** Once. `caller_gone` says nothing about the deployment, nor does an error that is the request's. */
  end(failure: { code: ErrorCode; retryAfterSeconds?: number } | undefined): void
}

/** Which deployments may serve, the best first. Empty: none is fit for this request, however well. Pure but for the chance it is made with. */
export type Choose = (route: Route, facts: RequestFacts, view: Health['view']) => readonly Deployment[]

/** Aliases that callers use, and what they stand for. */
export type Models = {
  /** Undefined when the tenant has no such alias; with no tenant, when nobody has. Synchronous while the isolate knows the configuration. Rejects with store_unavailable. */
  routeOf(alias: string, tenantId: string | undefined): Route | undefined | Promise<Route | undefined>
  /** What the tenant may use. */
  list(tenantId: string): readonly ListedModel[] | Promise<readonly ListedModel[]>
  /** For labels: whether it is known to this isolate, in any tenant. Never waits. */
  isKnown(alias: string): boolean
}

export type ListedModel = {
  alias: string
  /** Seconds since 1970. */
  createdAt: number
  /** What at least one of its deployments can do. */
  capabilities: readonly Capability[]
  /** The longest context among its deployments; undefined where none says. */
  contextTokens: number | undefined
}

/** Counts prompt tokens with the model's own tokenizer and chat template. Rejects with an AppError. */
export type TokenCounter = {
  count(
    model: string,
    messages: ChatRequest['messages'],
    signal: AbortSignal,
  ): Promise<{ tokens: number; contextTokens: number }>
}

/** Told of every completion, also of one whose caller hung up. Never throws, never waits. */
export type Meter = {
  /** `alias` is what the caller wrote: an unknown one must not become a label. */
  begin(alias: string, principal: Principal, note: RequestNote): MeterSpan
}

/** What there is to tell of a request beside who asks for what. */
export type RequestNote = {
  requestId: string
  stream: boolean
  /** What the body calls the caller's own user; never authority. */
  endUser?: string | undefined
  caller?: CallerNote | undefined
}

/** How a request came. */
export type CallerNote = {
  /** Method and pattern, as `POST /v1/messages`. */
  endpoint: string
  /** What the client calls itself. */
  client?: string | undefined
  /** Before its key was looked at. Milliseconds since 1970. */
  arrivedAtMs: number
}

/** Steps of `complete` before a model is asked. */
export type Step = 'alias' | 'prompt' | 'filter' | 'cache' | 'admission'

export type MeterSpan = {
  /** From here on it may take long: until its end the span gives signs of life. What never waits for a model needs none. */
  waits(): void
  /** This step is done. Absent where nobody asks. */
  did?(step: Step): void
  /** The calls for this request, none yet: the list grows, also where nobody answers. Absent where nobody asks. */
  asks?(calls: readonly AttemptRecord[]): void
  /** Who answers, and how the cache took part. Absent where nobody asks. */
  opened?(completion: Pick<Completion, 'deployment' | 'cache'>): void
  firstToken(): void
  /** Once. Usage is what the model reported, or undefined when it died before saying. `costNano`: what was charged, nano-units of currency. */
  end(outcome: MeterOutcome, costNano?: number): void
}

export type MeterOutcome = { status: 'success' | 'error'; code?: ErrorCode; usage?: Usage }

/** What a request asks for, for those who decide whether its tenant, key or user may have it. */
export type Demand = {
  principal: Principal
  /** As the caller wrote it; known by now. */
  alias: string
  request: ModelRequest
  requestId: string
}

/** Limits that need the alias: tokens per minute, requests per model, streams at once. */
export type Admission = {
  /** Rejects with rate_limited, which costs no quota. Synchronous on the usual request. */
  enter(demand: Demand): Admitted | Promise<Admitted>
}

export type Admitted = {
  /** Once, however the answer ended; `usage` is undefined when nothing was generated. Never throws, never waits. */
  leave(usage: Usage | undefined): void
}

/** Money and tokens, per tenant and key. Reserves the prompt and a step of output, not `max_tokens`: that would block callers who have money left. */
export type Budgets = {
  /** Rejects with insufficient_quota. Synchronous on the usual request: a slice is leased to the isolate. */
  reserve(demand: Demand): Reservation | Promise<Reservation>
}

export type Reservation = {
  /**
   * Told how far the answer is, before that is sent. `true`: paid for. A promise: more is being asked for. Rejects with
   * store_unavailable when nobody can say.
   */
  cover(progress: Progress): true | Promise<Covered>
  /** Once, however the answer ended. Undefined usage releases everything. Returns what was charged in nano-units, where anything was. Never throws, never waits. */
  settle(usage: Usage | undefined): number | undefined
}

export type Progress = {
  /** Undefined until the model has told. */
  promptTokens: number | undefined
  completionTokens: number
}

/** `last`: so much is paid for, and nothing after it. `unpaid`: what was not sent yet may not be. */
export type Covered = 'paid' | 'last' | 'unpaid'

/** What a tenant forbids to be said. */
export type Filters = {
  /** Undefined when the tenant has no rules. Synchronous while the isolate knows them. Rejects with store_unavailable: closed. */
  of(tenantId: string): ContentFilter | undefined | Promise<ContentFilter | undefined>
}

export type ContentFilter = {
  /** The request with what is forbidden masked, the same object when nothing is. Throws content_blocked, or invalid_request for what it cannot read. */
  input(request: ModelRequest): FilteredRequest
  /**
   * Masks what goes by, holding back no more than a pattern may need. A block ends the answer with the finish reason content_filter
   * after calling `blocked`, and returns the source. Events in which nothing is found pass unchanged, but that token ids and log
   * probabilities come with a choice's last event, and only when nothing was masked in it: they would tell. That event also has
   * `flags`, what the input filter found, and what was found here.
   */
  output(events: ModelEventStream, blocked: () => void, flags: readonly FilterFlag[]): ModelEventStream
  /** The same for an answer that is all there. For the same list, without flags of the input, the same list. */
  outputWhole(events: readonly ModelEvent[], flags: readonly FilterFlag[]): FilteredAnswer
}

export type FilteredAnswer = { events: readonly ModelEvent[]; isBlocked: boolean }

export type FilteredRequest = { request: ModelRequest; flags: readonly FilterFlag[] }

/** A tenant's prompt templates. */
export type Prompts = {
  /** Rejects with prompt_not_found or invalid_request, whose `param` is below `path`: where the caller wrote the reference. */
  render(tenantId: string, reference: PromptReference, path: 'prompt' | ''): RenderedPrompt | Promise<RenderedPrompt>
}

export type RenderedPrompt = { messages: ChatRequest['messages']; promptId: string; version: number }

/** Answers that were given before, and those that are being given. Hold the answer as the model gave it, before any output filter. */
export type AnswerCache = {
  /** `undefined`: this request is neither cached nor joined. Synchronous when the isolate's memory decides. */
  look(question: CacheQuestion): CacheLook | undefined | Promise<CacheLook | undefined>
}

export type CacheQuestion = {
  principal: Principal
  alias: string
  /** After templates and the input filter. */
  request: ModelRequest
  /** Those that could answer: another model is another answer. */
  route: Route
  directive: CacheDirective
}

/** `Cache-Control` and `x-perigee-cache` of a request, and what its route says. */
export type CacheDirective = {
  /** `default`: temperature 0 or an explicit seed. `on`: sampled answers too. */
  mode: 'default' | 'on' | 'off'
  /** Do not read what is stored (no-cache), do not store (no-store), and at most this old (max-age). */
  noCache?: boolean
  noStore?: boolean
  maxAgeSeconds?: number
}

export type CacheLook =
  /** `whole`: all of its events, in the same list for whoever asks. */
  | { kind: 'hit'; ageSeconds: number; answer: OpenedAnswer & { whole: readonly ModelEvent[] } }
  | {
      kind: 'miss'
      /**
       * Opens the answer, or joins an identical one that is being opened or given. `open` gets a signal of its own, so that the model
       * goes on while a joined caller remains. A complete answer is stored when it ends.
       */
      share(open: OpenAnswer, signal: AbortSignal): Promise<SharedAnswer>
    }

export type SharedAnswer = {
  /** Whether another request asked the model. */
  joined: boolean
  answer: OpenedAnswer
  /** Who asked pays; when that caller leaves, one who goes on reading pays for the rest. So it is to be asked when it is needed. */
  paidByOthers(): PaidByOthers
}

/** What of an answer's tokens its reader does not pay for. */
export type PaidByOthers = 'all' | { promptTokens: number; completionTokens: number }

export type OpenAnswer = (signal: AbortSignal) => Promise<OpenedAnswer>

/** Events may be shared with other readers: they are never changed, only copied. */
export type OpenedAnswer = {
  /** Who began to answer. */
  deployment: { id: string; model: string }
  events: ModelEventStream
  /** Grows while the answer goes by. Absent where no model was asked. */
  attempts?: readonly AttemptRecord[]
}

export type CompletePorts = {
  models: Models
  prompts: Prompts
  filters: Filters
  cache: AnswerCache
  admission: Admission
  budgets: Budgets
  attempt: Attempt
  meter: Meter
  /** A seed for a request that has none: an integer from 0 to 2^53 - 1. */
  drawSeed(): number
}

export type CompleteCall = {
  principal: Principal
  request: CallerRequest
  requestId: string
  /** Aborted when the caller hangs up (stateless) or cancels (stateful). */
  signal: AbortSignal
  /** Absent: neither cached nor joined, as for whatever is stateful. */
  caching?: CacheDirective
  caller?: CallerNote
  place?: Place
  conversationId?: string
}

/** A model that has begun to answer. `events` may be read once; it throws an AppError when the answer cannot be finished. */
export type Completion = {
  deployment: { id: string; model: string }
  events: ModelEventStream
  /**
   * Of a remembered answer all that `events` has, paid and metered already: nothing has to be read. The same list whenever this answer is
   * given under the same rules, so that what is made of it can be remembered by it.
   */
  whole?: readonly ModelEvent[]
  cache: CacheNote
  /** Absent when the request named no template. */
  prompt?: PromptNote
  attempts: readonly AttemptRecord[]
}

/** The version of a template that a label stood for when it was asked. */
export type PromptNote = { id: string; version: number }

/** How the cache took part; only a hit has an age. */
export type CacheNote = { status: 'miss' | 'join' | 'bypass' } | { status: 'hit'; ageSeconds: number }
