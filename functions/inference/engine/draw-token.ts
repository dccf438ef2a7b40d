/**
 * What each run gives a request: the next token of its answer, how likely it was, and whether it was the last. Knows nothing of rows and
 * runs, which are the scheduler's.
 */
import { createAdjustLogits, openHistory, remember, type TokenHistory } from './adjust-logits.ts'
import type { EngineRequest, FinishReason, StepReport } from './engine-messages.ts'
import type { Sampler } from './sampler.ts'
import { tokenLogprobs } from './token-logprobs.ts'

/** An answer as it grows. */
export type Drawing = {
  request: EngineRequest
  /** Tokens of the answer known so far, those replayed included. */
  answer: number[]
  /** How many of them came with the request and need no sampling. */
  replayed: number
  /** For penalties. */
  history: TokenHistory
  /** Where a grammar says which tokens may be next: set before each draw (adjust-logits.ts says how); null allows all. */
  allowed: Int32Array | null
}

/**
 * Draws the next token of an answer from the logits behind what is known of it, and tells of it in `step`. An answer that may have none,
 * because only its prompt was to be read, just ends.
 * @param logits float [vocabSize]; not kept
 * @returns whether the answer has ended; `step` says why
 */
export type DrawToken = (drawing: Drawing, logits: Float32Array, step: StepReport) => boolean

/** What came with a request need not be drawn: it is replayed, and all state follows from its ids. */
export function openDrawing(request: EngineRequest): Drawing {
  const { adjustments } = request.sampling
  const history = openHistory(adjustments, request.prompt)
  if (adjustments !== undefined) for (const id of request.answer) remember(history, id)
  return { request, answer: [...request.answer], replayed: request.answer.length, history, allowed: null }
}

export function createDrawToken(vocabSize: number, sampler: Sampler, eosTokenIds: readonly number[]): DrawToken {
  const adjustLogits = createAdjustLogits(vocabSize)

  return ({ request, answer, history, allowed }, logits, step) => {
    if (request.maxTokens > 0) {
      const { adjustments } = request.sampling
      const adjustment = { adjustments, history, allowed, barred: barredFrom(answer.length, request) }
      const token = sampler(adjustLogits(logits, adjustment), request.sampling, answer.length)
      answer.push(token)
      if (adjustments !== undefined) remember(history, token)
      step.tokens.push(request.id, token)
      if (request.logprobs !== undefined) {
        step.logprobs ??= []
        step.logprobs.push([request.id, tokenLogprobs(logits, token, request.logprobs)])
      }
    }
    const reason = finishReason(answer, request)
    if (reason !== null) step.ended.push([request.id, reason])
    return reason !== null
  }

  /** Before min_tokens, whatever would end the answer. The model's end tokens, too, where they are ignored: as vLLM does it. */
  function barredFrom(length: number, { endings }: EngineRequest): readonly number[] {
    if (endings === undefined || length >= endings.minTokens) return NONE
    return [...eosTokenIds, ...endings.stopTokenIds]
  }

  function finishReason(answer: readonly number[], { endings, maxTokens }: EngineRequest): FinishReason | null {
    const token = answer.at(-1) ?? -1
    if (endings?.ignoreEos !== true && eosTokenIds.includes(token)) return 'stop'
    if (endings?.stopTokenIds.includes(token)) return 'stop'
    return answer.length >= maxTokens ? 'length' : null
  }
}

const NONE: readonly number[] = []
