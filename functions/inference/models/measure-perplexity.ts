/** How surprised an imported model is by a text, as the engine serves it. */
import { loadModel } from '../engine/load-model.ts'
import { loadTokenizer } from '../text/tokenizer.ts'
import { perplexityOf, WINDOW_TOKENS, windowsOf } from './perplexity.ts'

export type MeasuredPerplexity = { perplexity: number; tokens: number; scored: number; windowTokens: number }

/** Null where the text has fewer than two tokens. @param onDone windows scored, of how many */
export async function measurePerplexity(
  folder: string,
  text: string,
  threads: number,
  onDone: (done: number, total: number) => void,
): Promise<MeasuredPerplexity | null> {
  const tokens = (await loadTokenizer(folder)).encode(text, { specialTokens: false })
  const model = loadModel(folder, { threads, rows: 1, context: WINDOW_TOKENS })
  try {
    const windows = windowsOf(tokens, model.context)
    const scores: number[] = []
    for (const [index, window] of windows.entries()) {
      for (const value of (await model.logProbabilities(window)).values) scores.push(value)
      onDone(index + 1, windows.length)
    }
    if (scores.length === 0) return null
    const perplexity = perplexityOf(scores)
    return { perplexity, tokens: tokens.length, scored: scores.length, windowTokens: model.context }
  } finally {
    model.close()
  }
}
