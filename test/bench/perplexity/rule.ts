/**
 * The perplexity that two engines are compared by. The ids of the whole text, no special tokens, are cut into windows that do not
 * overlap; each window starts from nothing; every token but a window's first is scored given those before it in the window.
 */

/** Long enough that attention over hundreds of tokens counts, short enough for both engines' one-call limits. */
export const WINDOW_TOKENS = 512

/** In words, for the file of results. */
export const RULE = `windows of ${WINDOW_TOKENS} tokens that do not overlap, no special tokens, every token but a window's first is scored, exp(-mean ln p)`

/** A last window of one token has nothing to score and is left out. */
export function windowsOf(tokens: readonly number[]): number[][] {
  const starts = Array.from({ length: Math.ceil(tokens.length / WINDOW_TOKENS) }, (_, index) => index * WINDOW_TOKENS)
  return starts.map((start) => tokens.slice(start, start + WINDOW_TOKENS)).filter((window) => window.length > 1)
}

export function perplexityOf(logProbabilities: readonly number[]): number {
  const sum = logProbabilities.reduce((total, value) => total + value, 0)
  return Math.exp(-sum / logProbabilities.length)
}

/** ln of the softmax at `token`, in double precision however the logits were computed. */
export function logProbability(logits: Float32Array, token: number): number {
  const chosen = logits[token]
  if (chosen === undefined) throw new Error(`There is no logit for token ${token}.`)
  let largest = Number.NEGATIVE_INFINITY
  for (const logit of logits) largest = Math.max(largest, logit)
  let sum = 0
  for (const logit of logits) sum += Math.exp(logit - largest)
  return chosen - largest - Math.log(sum)
}
