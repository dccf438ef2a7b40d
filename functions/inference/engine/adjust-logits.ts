/**
 * Step 1 of src/contract/sampling.ts: which tokens may come at all, logit_bias, and the penalties for what was said before. Most requests ask
 * for none of it, and their logits are not touched.
 */

export type LogitAdjustments = {
  /** Token id, and what is added to its logit. */
  bias: readonly (readonly [id: number, amount: number])[]
  /** 1 for none. Above it, tokens of prompt and answer come less often; below it, more often. */
  repetitionPenalty: number
  /** Taken from a token's logit for each time that it is in the answer. */
  frequencyPenalty: number
  /** Taken once from the logit of each token that is in the answer. */
  presencePenalty: number
}

/** How often each token is in the answer; those that are only in the prompt are there with 0, if the prompt counts at all. */
export type TokenHistory = Map<number, number>

export type Adjustment = {
  adjustments: LogitAdjustments | undefined
  history: TokenHistory
  /** Bit i % 32 of word i >> 5 says whether token i may come; null for all. At least one may. */
  allowed: Int32Array | null
  /** Tokens that may not come yet, unless nothing else may. */
  barred: readonly number[]
}

/** @returns float [vocabSize]: the logits themselves where nothing changes them, else an array that the next call overwrites */
export type AdjustLogits = (logits: Float32Array, adjustment: Adjustment) => Float32Array

/** What a request's penalties must know of its past; all of it follows from the ids of prompt and answer. */
export function openHistory(adjustments: LogitAdjustments | undefined, prompt: readonly number[]): TokenHistory {
  if (adjustments === undefined || adjustments.repetitionPenalty === 1) return new Map()
  return new Map(prompt.map((id) => [id, 0]))
}

export function remember(history: TokenHistory, id: number): void {
  history.set(id, (history.get(id) ?? 0) + 1)
}

export function createAdjustLogits(vocabSize: number): AdjustLogits {
  const adjusted = new Float32Array(vocabSize)

  return (logits, { adjustments, history, allowed, barred }) => {
    if (adjustments === undefined && allowed === null && barred.length === 0) return logits
    adjusted.set(logits)
    if (allowed !== null) forbidOthers(adjusted, allowed)
    const isLeft = (logit: number, id: number) => logit > Number.NEGATIVE_INFINITY && !barred.includes(id)
    // A grammar may be at its end before min_tokens: then the end may come.
    if (barred.length > 0 && (allowed === null || adjusted.some(isLeft))) {
      for (const id of barred) adjusted[id] = Number.NEGATIVE_INFINITY
    }
    if (adjustments !== undefined) change(adjusted, adjustments, history)
    return adjusted
  }
}

function forbidOthers(logits: Float32Array, allowed: Int32Array) {
  for (let id = 0; id < logits.length; id += 32) {
    const word = allowed[id >> 5] ?? 0
    if (word === -1) continue
    const end = Math.min(id + 32, logits.length)
    if (word === 0) logits.fill(Number.NEGATIVE_INFINITY, id, end)
    else {
      for (let one = id; one < end; one++) {
        if (((word >>> (one & 31)) & 1) === 0) logits[one] = Number.NEGATIVE_INFINITY
      }
    }
  }
}

/** Each kind of change rounds to fp32, because the array does. */
function change(logits: Float32Array, adjustments: LogitAdjustments, history: TokenHistory) {
  const { bias, repetitionPenalty, frequencyPenalty, presencePenalty } = adjustments
  for (const [id, amount] of bias) logits[id] = (logits[id] ?? 0) + amount
  for (const [id, count] of history) {
    if (repetitionPenalty !== 1) {
      const logit = logits[id] ?? 0
      logits[id] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty
    }
    if (count > 0) logits[id] = (logits[id] ?? 0) - frequencyPenalty * count - presencePenalty
  }
}
