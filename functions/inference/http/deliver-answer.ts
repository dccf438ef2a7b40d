/** Sends one answer to one caller, streamed or whole, and stops the engine when the caller hangs up. */
import type { ServerResponse } from 'node:http'
import type { FinishReason, Usage } from '../../../src/contract/chat-completion.ts'
import type { EngineErrorCode } from '../engine/engine-client.ts'
import { startAnswer } from './answer.ts'
import type { AnswerPlan } from './answer-plan.ts'
import { openEventStream } from './event-stream.ts'
import { engineError } from './request-error.ts'
import { sendJson } from './send-json.ts'
import type { ServerMetrics } from './server-metrics.ts'
import type { Serving } from './serving.ts'

/** The shapes of one kind of completion. `ids` is undefined where the caller did not ask for them. */
export type AnswerShape = {
  /** Events before the first piece. */
  opening(promptIds: number[] | undefined): unknown[]
  /** Null when there is nothing to say yet, which is never the case where there are ids. */
  piece(text: string, ids: number[] | undefined): unknown
  closing(reason: FinishReason): unknown
  usage(usage: Usage): unknown
  whole(answer: WholeAnswer): unknown
}

export type WholeAnswer = {
  text: string
  reason: FinishReason
  usage: Usage
  ids: number[] | undefined
  promptIds: number[] | undefined
}

/** How an answer ended, for the metrics. */
type Outcome = 'ok' | 'cancelled' | EngineErrorCode

/** @throws RequestError as long as nothing has been sent */
export function deliverAnswer(serving: Serving, plan: AnswerPlan, shape: AnswerShape, response: ServerResponse) {
  // Hung up while the prompt was encoded: nobody would tell the engine to stop.
  if (response.destroyed) return
  return plan.stream ? stream(serving, plan, shape, response) : deliverWhole(serving, plan, shape.whole, response)
}

/** Resolves as soon as the answer has begun: what follows is in events. */
async function stream(serving: Serving, plan: AnswerPlan, shape: AnswerShape, response: ServerResponse) {
  const clock = startClock(serving.metrics)
  const generation = startAnswer(serving, plan, (event) => {
    if (event.type === 'error') {
      clock.over(event.code)
      return events.fail(engineError(event.code).body())
    }
    open()
    if (event.type === 'piece') {
      clock.firstToken()
      if (event.text === '' && !plan.returnTokenIds) return
      const shown = shape.piece(event.text, plan.returnTokenIds ? event.ids : undefined)
      return shown === null ? undefined : events.send(shown)
    }
    clock.over('ok')
    events.send(shape.closing(event.reason))
    if (plan.includeUsage) events.send(shape.usage(event.usage))
    events.done()
  })
  const open = once(() => {
    for (const event of shape.opening(plan.returnTokenIds ? plan.prompt : undefined)) events.send(event)
  })
  // After startAnswer, which may still refuse with a status; its events come later.
  const events = openEventStream(response)
  response.once('close', () => {
    clock.over('cancelled')
    generation.cancel()
  })
}

/** Collects the answer and sends it as one JSON body. @throws RequestError when there is no answer */
export function deliverWhole(
  serving: Serving,
  plan: AnswerPlan,
  shape: AnswerShape['whole'],
  response: ServerResponse,
): Promise<void> {
  if (response.destroyed) return Promise.resolve()
  const clock = startClock(serving.metrics)
  return new Promise<void>((resolve, reject) => {
    let text = ''
    const ids: number[] = []
    const generation = startAnswer(serving, plan, (event) => {
      if (event.type === 'piece') {
        clock.firstToken()
        text += event.text
        ids.push(...event.ids)
        return
      }
      clock.over(event.type === 'end' ? 'ok' : event.code)
      if (event.type === 'error') return reject(engineError(event.code))
      const shown = plan.returnTokenIds ? { ids, promptIds: plan.prompt } : { ids: undefined, promptIds: undefined }
      sendJson(response, 200, shape({ text, reason: event.reason, usage: event.usage, ...shown }))
      resolve()
    })
    response.once('close', () => {
      clock.over('cancelled')
      generation.cancel()
      resolve()
    })
  })
}

/** Measures one answer; only its first end counts, since a completed response closes too. */
function startClock(metrics: ServerMetrics) {
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1_000
  let isOver = false
  return {
    firstToken: once(() => metrics.firstTokenSeconds.observe(seconds())),
    over(outcome: Outcome) {
      if (isOver) return
      isOver = true
      metrics.answers.count({ outcome })
      metrics.answerSeconds.observe(seconds())
    },
  }
}

function once(action: () => void): () => void {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    action()
  }
}
