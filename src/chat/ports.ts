/**
 * What `complete` needs from the world, as small interfaces that belong to it. Adapters live in the capability folders and are
 * made in src/wiring.ts only. Types alone: importing this file costs nothing at run time.
 */
import type { ChatChunk, ChatRequest, TextRequest, TextResponse, Usage } from '../contract/chat-completion.ts'
import type { ErrorCode } from '../errors.ts'

/** Who calls. The tenant is in every name and key that is derived from a request. */
export type Principal = {
  tenantId: string
  keyId: string
  /** The token's `sub`; absent under a server key. */
  userId?: string
  scopes: readonly string[]
}

/** A request after parsing. The body keeps unknown fields: they pass through to the model. */
export type ModelRequest = { kind: 'chat'; body: ChatRequest } | { kind: 'text'; body: TextRequest }

/** One event of a model's stream, as OpenAI puts it on the wire. */
export type ModelEvent = ChatChunk | TextResponse

/** One place where a model answers. */
export type Deployment = {
  id: string
  /** The name that the endpoint knows the model by; the caller sees it as `model`. */
  model: string
  timeouts: Timeouts
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
  timeouts: Timeouts
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

/** A request that is ready for any deployment: the alias is resolved, the seed is set. */
export type AttemptCall = Omit<UpstreamCall, 'model' | 'timeouts'>

/**
 * Tries deployments in their order until one has begun to answer, and says which. Rejects with the AppError of the last one
 * tried. Never tries another after an event has arrived, nor where another could not help.
 */
export type Attempt = (
  deployments: readonly Deployment[],
  call: AttemptCall,
  signal: AbortSignal,
) => Promise<{ deployment: Deployment; events: ModelEventStream }>

/** Aliases that callers use, and the deployments that answer for them, in the order in which to try. */
export type Models = {
  /** Empty when the alias is unknown. */
  deploymentsOf(alias: string): readonly Deployment[]
  list(): readonly { alias: string; createdAt: number }[]
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
  begin(alias: string, principal: Principal): MeterSpan
}

export type MeterSpan = {
  firstToken(): void
  /** Once. Usage is what the model reported, or undefined when it died before saying. */
  end(outcome: { status: 'success' | 'error'; code?: ErrorCode; usage?: Usage }): void
}

export type CompletePorts = {
  models: Models
  attempt: Attempt
  meter: Meter
  /** A seed for a request that has none: an integer from 0 to 2^53 - 1. */
  drawSeed(): number
}

export type CompleteCall = {
  principal: Principal
  request: ModelRequest
  requestId: string
  /** Aborted when the caller hangs up (stateless) or cancels (stateful). */
  signal: AbortSignal
}

/** A model that has begun to answer. `events` may be read once; it throws an AppError when the answer cannot be finished. */
export type Completion = {
  deployment: { id: string; model: string }
  events: ModelEventStream
}
