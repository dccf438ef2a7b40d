/** Sends the answers to one request to its caller, streamed or whole, and stops the engine when the caller hangs up. */
import type { ServerResponse } from 'node:http'
import type { FinishReason, Usage } from '../../../src/contract/chat-completion.ts'
import type { AnswerPiece } from './answer.ts'
import { once, startClock } from './answer-clock.ts'
import type { AnswerPlan } from './answer-plan.ts'
import { startChoices } from './choices.ts'
import { LATE, tooLate } from './deadline.ts'
import { isOver, openWhenSlow } from './early-headers.ts'
import { type EventStream, openEventStream } from './event-stream.ts'
import { gatheredPieces } from './gathered-pieces.ts'
import type { LoggedToken } from './logprobs.ts'
import { asRequestError, engineError } from './request-error.ts'
import { sendJson } from './send-json.ts'
import type { Serving } from './serving.ts'
import { shownTimings } from './shown-timings.ts'

/** The shapes of one kind of completion. */
export type AnswerShape = {
  /** Of one choice of the response; asked for once for each, so it may remember. */
  choice(index: number): ChoiceShape
  usage(usage: Usage): unknown
  /** @param promptIds of the first prompt, for who asked for ids */
  whole(choices: unknown[], usage: Usage, promptIds: number[] | undefined): unknown
}

/** Ids are undefined where the caller did not ask for them. */
export type ChoiceShape = {
  /** Events before the first piece. */
  opening(promptIds: number[] | undefined): object[]
  /** Null when there is nothing to say yet, which is never the case where there are ids or log-probabilities. */
  piece(piece: ShownPiece): object | null
  closing(reason: FinishReason): object
  whole(answer: WholeAnswer): unknown
}

export type ShownPiece = Omit<AnswerPiece, 'ids'> & { ids: number[] | undefined }

export type WholeAnswer = {
  text: string
  reason: FinishReason
  ids: number[] | undefined
  /** Null where nothing was asked of them. */
  logged: LoggedToken[] | null
  promptIds: number[] | undefined
}

export type PreparedAnswer = {
  /** Of the choices, at least one; they differ in prompt and index only. */
  plans: readonly AnswerPlan[]
  shape: AnswerShape
}

/**
 * @param preparing what may take long and may refuse; what is cheap to refuse has been looked at
 * @throws RequestError as long as nothing has been sent
 */
export async function deliverAnswer(
  serving: Serving,
  isStream: boolean,
  preparing: Promise<PreparedAnswer>,
  response: ServerResponse,
) {
  const early = isStream ? await openWhenSlow(response, preparing) : null
  if (early !== null) return streamEarly(serving, preparing, response, early)
  const prepared = await preparing
  // Hung up meanwhile: nobody would tell the engine to stop.
  if (isOver(response)) return
  if (isStream) return stream(serving, prepared, response)
  return deliverWhole(serving, prepared.plans, prepared.shape, response)
}

/** The headers are out: whatever refuses the request now is an event. */
async function streamEarly(
  serving: Serving,
  preparing: Promise<PreparedAnswer>,
  response: ServerResponse,
  early: EventStream,
) {
  const late = () => early.fail(tooLate().body())
  response.once(LATE, late)
  try {
    const prepared = await preparing
    response.off(LATE, late)
    if (!isOver(response)) stream(serving, prepared, response, early)
  } catch (error) {
    response.off(LATE, late)
    const refusal = asRequestError(error)
    if (refusal !== error)
      serving.log(`A stream failed before it began: ${error instanceof Error ? error.stack : error}`)
    if (!isOver(response)) early.fail(refusal.body())
  }
}

/** Returns as soon as the answer has begun: what follows is in events. @param early the stream, if it is open already */
function stream(serving: Serving, { plans, shape }: PreparedAnswer, response: ServerResponse, early?: EventStream) {
  const clock = startClock(serving.metrics)
  const showIds = plans[0]?.returnTokenIds === true
  const includeUsage = plans[0]?.includeUsage === true
  const showTimings = plans[0]?.showTimings === true
  const choices = plans.map(({ index }) => shape.choice(index))
  /** As OpenAI has it: who asks for usage finds the field in every event, null in all but the last. */
  const send = (event: object) => events.send(includeUsage ? { ...event, usage: null } : event)
  const pieces = gatheredPieces(plans[0]?.gatherMs ?? 0, (index, { text, ids, logged }) => {
    if (text === '' && !showIds && (logged ?? []).length === 0) return
    const shown = choices[index]?.piece({ text, ids: showIds ? ids : undefined, logged }) ?? null
    if (shown !== null) send(shown)
  })
  const generation = startChoices(serving, plans, (event) => {
    if (event.type === 'error') {
      clock.over(event.code)
      // What was generated is paid for, and may be gone on from: its ids go out first.
      pieces.flush()
      return events.fail(engineError(event.code).body())
    }
    open()
    if (event.type === 'piece') {
      clock.firstToken()
      return pieces.add(event.index, event.piece)
    }
    pieces.flush()
    if (event.type === 'end') {
      const closing = choices[event.index]?.closing(event.reason)
      return closing && send({ ...closing, ...(showTimings && shownTimings(event.timings)) })
    }
    clock.over('ok')
    if (includeUsage) events.send(shape.usage(event.usage))
    events.done()
  })
  const open = once(() => {
    for (const { index, prompt } of plans) {
      for (const event of choices[index]?.opening(showIds ? prompt : undefined) ?? []) send(event)
    }
  })
  // After startChoices, which may still refuse with a status; its events come later.
  const events = early ?? openEventStream(response)
  response.once(LATE, () => {
    clock.over('deadline_exceeded')
    generation.cancel()
    pieces.flush()
    events.fail(tooLate().body())
  })
  response.once('close', () => {
    clock.over('cancelled')
    pieces.stop()
    generation.cancel()
  })
}

/** Collects the answers and sends them as one JSON body. @throws RequestError when there is none */
export function deliverWhole(
  serving: Serving,
  plans: readonly AnswerPlan[],
  shape: Pick<AnswerShape, 'whole'> & { choice(index: number): Pick<ChoiceShape, 'whole'> },
  response: ServerResponse,
): Promise<void> {
  if (isOver(response)) return Promise.resolve()
  const clock = startClock(serving.metrics)
  const showIds = plans[0]?.returnTokenIds === true
  return new Promise<void>((resolve, reject) => {
    const collected = plans.map(({ logprobs, prompt }) => ({
      text: '',
      ids: [] as number[],
      logged: logprobs === null ? null : ([] as LoggedToken[]),
      promptIds: showIds ? prompt : undefined,
    }))
    const shown: unknown[] = []
    const generation = startChoices(serving, plans, (event) => {
      if (event.type === 'error') {
        clock.over(event.code)
        return reject(engineError(event.code))
      }
      if (event.type === 'complete') {
        clock.over('ok')
        sendJson(response, 200, shape.whole(shown, event.usage, collected[0]?.promptIds))
        return resolve()
      }
      const so = collected[event.index]
      if (so === undefined) return
      if (event.type === 'end') {
        const { text, ids, logged, promptIds } = so
        const answer = { text, reason: event.reason, ids: showIds ? ids : undefined, logged, promptIds }
        shown[event.index] = shape.choice(event.index).whole(answer)
        return
      }
      clock.firstToken()
      so.text += event.piece.text
      so.ids.push(...event.piece.ids)
      so.logged?.push(...(event.piece.logged ?? []))
    })
    response.once('close', () => {
      clock.over('cancelled')
      generation.cancel()
      resolve()
    })
  })
}
