/** One answer as it comes: token ids from the engine become text, stop strings end it, and what belongs to it is counted. */
import type { FinishReason, Usage } from '../../../src/contract/chat-completion.ts'
import type { EngineErrorCode, Generation } from '../engine/engine-client.ts'
import { createStopMatcher } from '../text/stop-strings.ts'
import type { AnswerPlan } from './answer-plan.ts'
import { RequestError } from './request-error.ts'
import type { Serving } from './serving.ts'

export type AnswerEvent =
  /** Text that may be sent, and the ids generated since the last event; either may be empty, not both. */
  | { type: 'piece'; text: string; ids: number[] }
  | { type: 'end'; reason: FinishReason; usage: Usage }
  | { type: 'error'; code: EngineErrorCode }

/**
 * Starts an answer. Events come after this returns; `end` or `error` is the last.
 * @throws RequestError when too many requests wait
 */
export function startAnswer(serving: Serving, plan: AnswerPlan, listener: (event: AnswerEvent) => void): Generation {
  const { engine, slots, queueMax } = serving
  const text = createAnswerText(serving, plan)
  const past = replay(serving, plan, text)
  let { tokens, unsent } = past

  function finish(reason: FinishReason) {
    const rest = unsent + text.end()
    if (rest !== '') listener({ type: 'piece', text: rest, ids: [] })
    const prompt_tokens = plan.prompt.length
    const usage = { prompt_tokens, completion_tokens: tokens, total_tokens: prompt_tokens + tokens }
    listener({ type: 'end', reason, usage })
  }

  const { completed } = past
  if (completed !== null) {
    queueMicrotask(() => finish(completed))
    return { cancel() {} }
  }
  if (engine.inFlight() >= slots + queueMax) {
    throw new RequestError('queue_full', `${queueMax} requests wait already; try again soon.`)
  }
  const { prompt, replay: answer, maxTokens, sampling, sameness, grammar } = plan
  const asked = { prompt, answer, maxTokens, sampling, sameness, ...(grammar && { grammar }) }
  const generation = engine.generate(asked, (event) => {
    if (event.type === 'error') return listener(event)
    if (event.type === 'end') return finish(event.reason)
    for (const id of event.ids) {
      tokens++
      const { piece, stopped } = text.push(id)
      listener({ type: 'piece', text: unsent + piece, ids: [id] })
      unsent = ''
      if (!stopped) continue
      generation.cancel()
      return finish('stop')
    }
  })
  return generation
}

/** Brings text and stop strings to where another replica left the answer, which may be at its end. */
function replay(serving: Serving, plan: AnswerPlan, text: AnswerText) {
  let unsent = ''
  let tokens = 0
  for (const id of plan.replay) {
    const { piece, stopped } = text.push(id)
    unsent += piece
    tokens++
    if (stopped || serving.eosTokenIds.includes(id)) return { tokens, unsent, completed: 'stop' as const }
  }
  return { tokens, unsent, completed: tokens >= plan.maxTokens ? ('length' as const) : null }
}

type AnswerText = {
  push(id: number): { piece: string; stopped: boolean }
  /** What was held back. */
  end(): string
}

/** Ids to text behind stop strings, without the part that the caller already has. */
function createAnswerText({ tokenizer }: Serving, { stops, sentChars }: AnswerPlan): AnswerText {
  const detokenizer = tokenizer.stream()
  const matcher = createStopMatcher(stops)
  let toSkip = sentChars
  function unsent(text: string) {
    const piece = text.slice(toSkip)
    toSkip = Math.max(0, toSkip - text.length)
    return piece
  }
  return {
    push(id) {
      const { text, stopped } = matcher.push(detokenizer.push(id))
      return { piece: unsent(text), stopped }
    },
    end() {
      const { text } = matcher.push(detokenizer.end())
      return unsent(text + matcher.end())
    },
  }
}
