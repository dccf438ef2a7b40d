/**
 * One conversation: a SQLite Durable Object named `${tenantId}/${conversationId}`. It owns its turns from the moment they are
 * accepted: it commits what the user said, asks the model itself, and commits the answer, whether or not the caller is still there.
 * What is stored, and why, is in docs/storage.md.
 */
import { DurableObject } from 'cloudflare:workers'
import type { Place, Principal } from '../chat/ports.ts'
import type { ChatTurnRequest, ChatTurnResponse } from '../contract/chat-turn.ts'
import type { Env } from '../env.ts'
import { AppError, ERRORS, type ErrorCode, type ErrorValue, toAppError } from '../errors.ts'
import { wire } from '../wiring.ts'
import { answerTurn, turnNote } from './answer-turn.ts'
import { type ConversationStore, conversationStore } from './conversation-store.ts'
import { failureItem } from './item-codec.ts'
import { turnQueue } from './turn-queue.ts'

export type TurnCall = {
  principal: Principal
  request: ChatTurnRequest
  requestId: string
  /** Where the caller is, for routing. */
  place?: Place
  conversationId: string
  /** The id was made for this call: start the conversation. Otherwise it must be there. */
  isNew: boolean
}

export type TurnResult = { ok: true; response: ChatTurnResponse } | { ok: false; error: ErrorValue }

/** While the model answers, an alarm this often keeps the object alive although nobody may be connected. */
const KEEP_ALIVE_EVERY_MS = 15_000

const DAY_MS = 86_400_000

export class Conversation extends DurableObject<Env> {
  readonly #queue = turnQueue()
  readonly #wired: ReturnType<typeof wire>
  #store: ConversationStore

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    this.#wired = wire(env)
    this.#store = conversationStore(state.storage)
  }

  /** Answers when the model has, or with the reason why not. Turns are answered one after the other, in the order in which they came. */
  async runTurn(call: TurnCall): Promise<TurnResult> {
    const refusal = await this.#refusal(call)
    if (refusal) return refusal
    const turn = this.#queue.run(() => this.#turn(call))
    if (!turn)
      return failed(
        'conversation_busy',
        'Too many turns wait in this conversation. Send the next when one is answered.',
      )
    // A caller who leaves does not end it: an object goes on with what it has begun.
    return turn
  }

  /** The one alarm slot serves two ends: while a turn runs it keeps the object alive, otherwise it is the expiry. */
  override async alarm(): Promise<void> {
    if (this.#queue.busy()) return this.ctx.storage.setAlarm(Date.now() + KEEP_ALIVE_EVERY_MS)
    this.#markInterruptedTurn()
    const expiresAtMs = this.#store.conversation()?.expiresAtMs
    if (expiresAtMs === undefined) return
    if (Date.now() < expiresAtMs) return this.ctx.storage.setAlarm(expiresAtMs)
    await this.#deleteAll()
  }

  async #turn(call: TurnCall): Promise<TurnResult> {
    // Once more: while this turn waited, another may have filled the conversation, or its time may have run out.
    const refusal = await this.#refusal(call)
    if (refusal) return refusal
    this.#markInterruptedTurn()

    // Nothing is awaited between these writes, so they are committed together; and the platform holds back every call to the model
    // until they are.
    const startMs = Date.now()
    if (call.isNew) this.#store.create(call.principal.userId, startMs, this.#expiryFrom(startMs))
    const user = this.#store.append(
      { kind: 'user', body: { text: call.request.message, atMs: startMs, userLabel: call.request.user_id } },
      this.#expiryFrom(startMs),
    )
    void this.ctx.storage.setAlarm(startMs + KEEP_ALIVE_EVERY_MS)

    const result = await this.#answer(call, user.seq)
    const expiresAtMs = this.#store.conversation()?.expiresAtMs
    if (expiresAtMs !== undefined) await this.ctx.storage.setAlarm(expiresAtMs)
    return result
  }

  async #answer(call: TurnCall, userSeq: number): Promise<TurnResult> {
    const { principal, request, requestId, conversationId, place } = call
    // Nobody can cancel a stored turn yet; the total time-out of the attempt ends it.
    const signal = new AbortController().signal
    const arrivedAtMs = Date.now()
    const model = this.#modelOf(request)
    try {
      const { body, modelUsed, note } = await answerTurn(this.#wired, this.#store, {
        principal,
        request,
        requestId,
        model,
        conversationId,
        ...(place ? { place } : {}),
        userSeq,
        signal,
        arrivedAtMs,
      })
      const nowMs = Date.now()
      this.#store.append({ kind: 'assistant', body: { ...body, atMs: nowMs } }, this.#expiryFrom(nowMs))
      return {
        ok: true,
        response: {
          response: body.text,
          conversation_id: call.conversationId,
          timestamp: new Date(nowMs).toISOString(),
          model_used: modelUsed,
          ...note,
        },
      }
    } catch (thrown) {
      const error = toAppError(thrown)
      logCause(error, requestId, this.#wired.settings.logLevel)
      if (call.isNew && isRefusedForItself(error.code)) {
        // Nobody knows the id yet, and the turn would never be shown again: there is nothing to go on with.
        await this.#deleteAll()
        return { ok: false, error: error.toValue() }
      }
      const nowMs = Date.now()
      this.#store.append(failureItem(error.code, nowMs), this.#expiryFrom(nowMs))
      const value = error.toValue()
      if (!call.isNew) return { ok: false, error: value }
      const details = { ...value.details, conversation_id: call.conversationId }
      return { ok: false, error: { ...value, details } }
    }
  }

  /** Why this turn may not begin, if so. A conversation of somebody else looks like none at all. */
  async #refusal({ principal, request, requestId, isNew }: TurnCall): Promise<TurnResult | undefined> {
    const { models, meter } = this.#wired.complete
    const model = this.#modelOf(request)
    if ((await models.routeOf(model, principal.tenantId)) === undefined) {
      // A stateless request for it is counted by `complete`, which this one never reaches.
      const note = turnNote({ request, requestId, arrivedAtMs: Date.now() })
      meter.begin(model, principal, note).end({ status: 'error', code: 'model_not_found' })
      const message = 'There is no such model. GET /v1/models lists those there are.'
      return failed('model_not_found', message, 'model_config.model')
    }
    if (isNew) return undefined
    const found = this.#store.conversation()
    if (!found || found.owner !== principal.userId || found.expiresAtMs <= Date.now()) {
      return failed('conversation_not_found', 'There is no such conversation.', 'conversation_id')
    }
    if (this.#store.full())
      return failed('conversation_full', 'The conversation is as long as it may be. Start another.')
    return undefined
  }

  /** An object that died while a turn ran left the user's item without an answer or a mark. */
  #markInterruptedTurn(): void {
    const conversation = this.#store.conversation()
    if (!conversation || this.#store.last()?.kind !== 'user') return
    this.#store.append(failureItem('internal_error', Date.now()), conversation.expiresAtMs)
  }

  async #deleteAll(): Promise<void> {
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
    this.#store = conversationStore(this.ctx.storage)
  }

  #modelOf(request: ChatTurnRequest): string {
    return request.model_config?.model ?? this.#wired.config.PERIGEE_DEFAULT_MODEL
  }

  #expiryFrom(nowMs: number): number {
    return nowMs + this.#wired.config.PERIGEE_CONVERSATION_DAYS * DAY_MS
  }
}

/** By the request's own fault, so that it would be refused again; not by the model's, nor by ours. */
function isRefusedForItself(code: ErrorCode): boolean {
  return ERRORS[code].status < 500 && !ERRORS[code].retryable
}

function failed(code: ErrorCode, message: string, param?: string): TurnResult {
  return { ok: false, error: new AppError(code, message, param === undefined ? {} : { param }).toValue() }
}

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const

/** Of a cause's text: enough to recognise it. */
const CAUSE_CHARS_MAX = 2_000

/** Over RPC only code and message travel, and the Worker logs these; what was behind them is said here. Never what was talked about. */
function logCause(error: AppError, requestId: string, threshold: (typeof LEVELS)[number]): void {
  const { log: level } = ERRORS[error.code]
  const { code, cause } = error
  if (cause === undefined || LEVELS.indexOf(level) < LEVELS.indexOf(threshold)) return
  const text = cause instanceof Error ? (cause.stack ?? String(cause)) : String(cause)
  const time = new Date().toISOString()
  console.log(
    JSON.stringify({
      level,
      time,
      event: 'turn_failed',
      request_id: requestId,
      code,
      cause: text.slice(0, CAUSE_CHARS_MAX),
    }),
  )
}
