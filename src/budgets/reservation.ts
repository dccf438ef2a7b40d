/** One answer's share of the lease: the prompt and a step of output, more step by step, and at the end what it really cost. */
import type { Covered, Demand, Progress, Reservation } from '../chat/ports.ts'
import type { Usage } from '../contract/chat-completion.ts'
import { AppError } from '../errors.ts'
import type { Amount } from './budget.ts'
import type { Lease, Slot } from './lease.ts'
import type { LeaseDriver } from './lease-driver.ts'
import { costNano, costOfUsage, type Price } from './price.ts'
import { promptBound } from './prompt-bound.ts'

/** Of output, for each choice: a few seconds of it. Near the end of a budget no more than a moment's. */
export const STEP_TOKENS = 128
const STEP_TOKENS_LAST = 16

/** How far ahead of what was sent the model may have written: twice the largest batch so far, and at least this for each choice. */
const AHEAD_TOKENS = 4

/** An answer that goes on stands still for so long at most while others may return what they hold. */
const COVER_WAIT_MS = 2_000

/** Bytes of usual text a token, where the model never told what the prompt was. */
const BYTES_PER_TOKEN = 4

export type Held = {
  demand: Demand
  lease: Lease
  driver: LeaseDriver
  slots: readonly Slot[]
  price: Price | undefined
  /** Held for the prompt, and whether that is a bound. */
  promptTokens: number
  isUnproven: boolean
  completionTokens: number
  startedAtMs: number
  entryId: string
  nowMs: () => number
}

export function amountOf(price: Price | undefined, promptTokens: number, completionTokens: number): Amount {
  return { tokens: promptTokens + completionTokens, cost: costNano(price, promptTokens, completionTokens) }
}

/** The first step, the same near the end of a budget, and the most that the request lets the model write. */
export function completionLimits({ request }: Demand): Limits {
  const { body } = request
  const choices = Math.max(body.n ?? 1, request.kind === 'text' ? (request.body.best_of ?? 1) : 1)
  const asked = (request.kind === 'chat' ? request.body.max_completion_tokens : undefined) ?? body.max_tokens
  const max = asked === undefined || asked === null ? Number.MAX_SAFE_INTEGER : asked * choices
  const [step, lastStep] = [Math.min(STEP_TOKENS * choices, max), Math.min(STEP_TOKENS_LAST * choices, max)]
  return { step, lastStep, max, choices }
}

export type Limits = { step: number; lastStep: number; max: number; choices: number }

/** `held` is taken from the lease already. */
export function reservation(held: Held): Reservation {
  const { lease, driver, slots, price, nowMs } = held
  const limits = completionLimits(held.demand)
  const firstAmount = amountOf(price, held.promptTokens, held.completionTokens)
  let promptHeld = held.promptTokens
  let covered = held.completionTokens
  let isUnproven = held.isUnproven
  let lastTokens = 0
  let ahead = AHEAD_TOKENS * limits.choices
  let isSettled = false
  let isPromptTold = false
  lease.begin(nowMs())

  const heldNow = () => amountOf(price, promptHeld, covered)

  function difference(promptTokens: number, completionTokens: number): Amount {
    const [after, before] = [amountOf(price, promptTokens, completionTokens), heldNow()]
    return { tokens: after.tokens - before.tokens, cost: after.cost - before.cost }
  }

  function prove(): void {
    if (isUnproven) lease.proven(slots, firstAmount)
    isUnproven = false
  }

  /** The model has told what the prompt was: the rest of the bound is free again. */
  function shrinkTo(promptTokens: number): void {
    prove()
    if (promptTokens >= promptHeld) return
    lease.release(slots, negative(difference(promptTokens, covered)))
    promptHeld = promptTokens
    driver.soon()
  }

  /** Near the end of a budget nobody keeps what others could use now. */
  function shrinkStepTo(completionTokens: number): void {
    if (completionTokens >= covered) return
    lease.release(slots, negative(difference(promptHeld, completionTokens)))
    covered = completionTokens
    driver.soon()
  }

  function cover({ promptTokens, completionTokens }: Progress): true | Promise<Covered> {
    if (isSettled) return true
    isPromptTold ||= promptTokens !== undefined
    if (promptTokens !== undefined && (isUnproven || promptTokens < promptHeld)) shrinkTo(promptTokens)
    const prompt = Math.max(promptHeld, promptTokens ?? 0)
    ahead = Math.max(ahead, 2 * (completionTokens - lastTokens))
    lastTokens = completionTokens
    const max = Math.max(limits.max, completionTokens)
    const wanted = Math.min(completionTokens + ahead, max)
    const isScarce = lease.isScarce(slots)
    if (prompt === promptHeld && wanted <= covered) {
      if (isScarce) shrinkStepTo(Math.min(wanted + limits.lastStep, max))
      return true
    }
    const target = Math.max(covered, Math.min(wanted + (isScarce ? limits.lastStep : limits.step), max))
    if (lease.take(slots, difference(prompt, target), false)) {
      promptHeld = prompt
      covered = target
      driver.soon()
      return true
    }
    return more(prompt, completionTokens, Math.max(covered, Math.min(wanted + limits.lastStep, max)))
  }

  async function more(prompt: number, completionTokens: number, target: number): Promise<Covered> {
    if (await grow(prompt, target, COVER_WAIT_MS)) return 'paid'
    const isPaid = completionTokens <= covered && prompt === promptHeld
    if (isSettled || isPaid) return isPaid ? 'last' : 'unpaid'
    return (await grow(prompt, completionTokens, 0)) ? 'last' : 'unpaid'
  }

  /** Whether so much is held now. */
  async function grow(prompt: number, completionTokens: number, waitMs: number): Promise<boolean> {
    const acquired = await driver.acquire(
      slots,
      difference(prompt, completionTokens),
      false,
      waitMs,
      () => isSettled,
      1,
    )
    if (isSettled) return false
    // Closed: what the ledger cannot confirm is not given.
    if (acquired === 'unavailable') throw new AppError('store_unavailable', 'The budget cannot be asked for more now.')
    if (acquired !== 'met') return false
    promptHeld = prompt
    covered = completionTokens
    return true
  }

  function settle(usage: Usage | undefined): number | undefined {
    if (isSettled) return undefined
    isSettled = true
    const total = heldNow()
    prove()
    const entry = usage && entryOf(usage, total)
    lease.settle(slots, total, entry)
    lease.end(nowMs())
    driver.soon()
    return entry?.cost
  }

  function entryOf(reported: Usage, total: Amount) {
    // Nothing is told of a prompt that somebody else pays for, either; but that is told.
    const usage =
      reported.prompt_tokens > 0 || isPromptTold ? reported : { ...reported, prompt_tokens: guessedPrompt() }
    const { principal, alias, requestId } = held.demand
    return {
      id: held.entryId,
      tenantId: principal.tenantId,
      requestId,
      keyId: principal.keyId,
      ...(principal.userId === undefined ? {} : { userId: principal.userId }),
      model: alias,
      promptTokens: usage.prompt_tokens,
      cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
      completionTokens: usage.completion_tokens,
      // What the model wrote beyond what was paid for, before it could be stopped, was not sent and is not charged.
      chargedTokens: Math.min(
        usage.prompt_tokens + usage.completion_tokens,
        total.tokens + lease.spare(slots, 'tokens'),
      ),
      cost: Math.min(costOfUsage(price, usage), total.cost + lease.spare(slots, 'cost')),
      priceVersion: price?.version ?? 0,
      startedAtMs: held.startedAtMs,
      endedAtMs: nowMs(),
    }
  }

  function guessedPrompt(): number {
    const isKnown = slots.length > 0 && !held.isUnproven
    return isKnown ? promptHeld : Math.ceil(promptBound(held.demand.request).tokensMax / BYTES_PER_TOKEN)
  }

  return { cover, settle }
}

function negative({ tokens, cost }: Amount): Amount {
  return { tokens: -tokens, cost: -cost }
}
