/**
 * The perplexity that engines, and a model before and after it is quantised, are compared by. The ids of the whole text, no special tokens, are cut into windows that do not
 * overlap; each window starts from nothing; every token but a window's first is scored given those before it in the window.
 */

/** Long enough that attention over hundreds of tokens counts, short enough for both engines' one-call limits. */
export const WINDOW_TOKENS = 512

/** How many windows the inference suite scores: 1,536 tokens take it about ten seconds. */
export const WINDOWS_SHORT = 3

/** In words, for the file of results. */
export const RULE = `windows of ${WINDOW_TOKENS} tokens that do not overlap, no special tokens, every token but a window's first is scored, exp(-mean ln p)`

/** A last window of one token has nothing to score and is left out. */
export function windowsOf(tokens: readonly number[], windowTokens = WINDOW_TOKENS): number[][] {
  const starts = Array.from({ length: Math.ceil(tokens.length / windowTokens) }, (_, index) => index * windowTokens)
  return starts.map((start) => tokens.slice(start, start + windowTokens)).filter((window) => window.length > 1)
}

export function perplexityOf(logProbabilities: readonly number[]): number {
  const sum = logProbabilities.reduce((total, value) => total + value, 0)
  return Math.exp(-sum / logProbabilities.length)
}
