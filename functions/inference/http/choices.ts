/** The answers of one response, which run side by side and are told apart by their index. Whatever ends one early ends all. */
import type { FinishReason, Usage } from '../../../src/contract/chat-completion.ts'
import type { EngineErrorCode, Generation } from '../engine/engine-client.ts'
import type { FirstTokenTimings } from '../engine/first-token-timings.ts'
import { type AnswerPiece, refuseWhenFull, startAnswer } from './answer.ts'
import type { AnswerPlan } from './answer-plan.ts'
import type { Serving } from './serving.ts'

export type ChoiceEvent =
  | { type: 'piece'; index: number; piece: AnswerPiece }
  /** One choice has ended. */
  | { type: 'end'; index: number; reason: FinishReason; timings?: FirstTokenTimings }
  /** All have. */
  | { type: 'complete'; usage: Usage }
  | { type: 'error'; code: EngineErrorCode }

/**
 * Starts all choices. Events come after this returns; `complete` or `error` is the last.
 * @throws RequestError when too many requests wait; then none has begun
 */
export function startChoices(
  serving: Serving,
  plans: readonly AnswerPlan[],
  listener: (event: ChoiceEvent) => void,
): Generation {
  // A single one may be complete already, and need no place.
  if (plans.length > 1) refuseWhenFull(serving, plans.length)
  let left = plans.length
  let isOver = false
  const usages: Usage[] = []

  const generations = plans.map((plan) =>
    startAnswer(serving, plan, (event) => {
      if (isOver) return
      const { index } = plan
      if (event.type === 'piece') {
        const { text, ids, logged } = event
        return listener({ type: 'piece', index, piece: { text, ids, logged } })
      }
      if (event.type === 'error') {
        cancel()
        return listener(event)
      }
      const { usage, reason, timings } = event
      usages.push(usage)
      listener({ type: 'end', index, reason, ...(timings && { timings }) })
      if (--left === 0) listener({ type: 'complete', usage: sumOf(plans, usages) })
    }),
  )

  function cancel() {
    isOver = true
    for (const generation of generations) generation.cancel()
  }
  return { cancel }
}

/** A prompt counts once however many answers it has, as OpenAI counts it. */
function sumOf(plans: readonly AnswerPlan[], usages: readonly Usage[]): Usage {
  const isFirstOfPrompt = ({ sampling }: AnswerPlan) => sampling.choice === 0
  const prompt_tokens = plans.filter(isFirstOfPrompt).reduce((sum, { prompt }) => sum + prompt.length, 0)
  const completion_tokens = usages.reduce((sum, usage) => sum + usage.completion_tokens, 0)
  const cached_tokens = usages.reduce((sum, usage) => sum + (usage.prompt_tokens_details?.cached_tokens ?? 0), 0)
  return {
    ...{ prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
    // The choices of one prompt share it, so that together they may take more from the cache than it has.
    prompt_tokens_details: { cached_tokens: Math.min(cached_tokens, prompt_tokens) },
  }
}
