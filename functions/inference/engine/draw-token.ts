/**
 * What each run gives a request: the next token of its answer, and whether that was the last. Knows nothing of rows and runs, which are
 * the scheduler's.
 */
import type { EngineRequest, FinishReason, StepReport } from './engine-messages.ts'
import type { Sampler } from './sampler.ts'

/** An answer as it grows. */
export type Drawing = {
  request: EngineRequest
  /** Tokens of the answer known so far, those replayed included. */
  answer: number[]
  /** How many of them came with the request and need no sampling. */
  replayed: number
  /** Where a grammar says which tokens may be next, set before each draw: bits of the ids, 32 to an element. Null allows all. */
  allowed: Int32Array | null
}

/**
 * Draws the next token of an answer from the logits behind what is known of it, and tells of it in `step`.
 * @param logits float [vocabSize]; not kept
 * @returns whether the answer has ended; `step` says why
 */
export type DrawToken = (drawing: Drawing, logits: Float32Array, step: StepReport) => boolean

/** What came with a request need not be drawn: it is replayed. */
export function openDrawing(request: EngineRequest): Drawing {
  return { request, answer: [...request.answer], replayed: request.answer.length, allowed: null }
}

export function createDrawToken(sampler: Sampler, eosTokenIds: readonly number[]): DrawToken {
  return ({ request, answer, allowed }, logits, step) => {
    const token = sampler(allowed === null ? logits : masked(logits, allowed), request.sampling, answer.length)
    answer.push(token)
    step.tokens.push(request.id, token)
    const reason = finishReason(token, answer.length, request)
    if (reason !== null) step.ended.push([request.id, reason])
    return reason !== null
  }

  function finishReason(token: number, length: number, request: EngineRequest): FinishReason | null {
    if (eosTokenIds.includes(token)) return 'stop'
    return length >= request.maxTokens ? 'length' : null
  }
}

function masked(logits: Float32Array, allowed: Int32Array): Float32Array {
  return logits.map((logit, id) =>
    (((allowed[id >> 5] ?? 0) >>> (id & 31)) & 1) === 1 ? logit : Number.NEGATIVE_INFINITY,
  )
}
