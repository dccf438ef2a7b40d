/**
 * ln of the probability of tokens, by softmax over the model's own logits: before bias, penalties, temperature and every limit. So
 * the figures say what the model thinks, whatever is drawn.
 */

export type TokenLogprobs = {
  /** Of the token that came. */
  logprob: number
  /** The likeliest tokens, likeliest first, as many as asked for; of equally likely ones the lowest id first. */
  top: [id: number, logprob: number][]
}

/** @param topCount how many of the likeliest tokens are told, too */
export function tokenLogprobs(logits: Float32Array, id: number, topCount: number): TokenLogprobs {
  const normaliser = logSumExp(logits)
  return {
    logprob: (logits[id] ?? 0) - normaliser,
    top: largestIds(logits, topCount).map((top) => [top, (logits[top] ?? 0) - normaliser]),
  }
}

/** ln of the sum of e^logit, in double precision around the largest: ln p of a token is its logit less this. */
export function logSumExp(logits: Float32Array): number {
  let largest = Number.NEGATIVE_INFINITY
  for (let id = 0; id < logits.length; id++) largest = Math.max(largest, logits[id] ?? 0)
  let sum = 0
  for (let id = 0; id < logits.length; id++) sum += Math.exp((logits[id] ?? 0) - largest)
  return largest + Math.log(sum)
}

/** By insertion: `count` is at most 20, and almost no token gets past the first comparison. */
function largestIds(logits: Float32Array, count: number): number[] {
  if (count === 0) return []
  const ids: number[] = []
  let least = Number.NEGATIVE_INFINITY
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] ?? 0
    if (ids.length === count && logit <= least) continue
    let place = ids.length
    while (place > 0 && (logits[ids[place - 1] ?? 0] ?? 0) < logit) place--
    ids.splice(place, 0, id)
    if (ids.length > count) ids.pop()
    if (ids.length === count) least = logits[ids[count - 1] ?? 0] ?? 0
  }
  return ids
}
