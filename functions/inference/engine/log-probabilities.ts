/** What the model thinks of a given text: the ground of perplexity. */
import { chunkLength } from './chunk-length.ts'
import type { Decoder } from './decoder.ts'
import { logSumExp } from './token-logprobs.ts'

/** `values[i]` is ln p(ids[i + 1] | ids[0..i]). */
export type LogProbabilities = { values: Float64Array; perplexity: number }

/** @param row is overwritten from its beginning; the decoder must be otherwise idle */
export async function logProbabilities(
  decoder: Decoder,
  row: number,
  ids: readonly number[],
  chunkTokens: number,
): Promise<LogProbabilities> {
  const { vocabSize } = decoder.config
  const values = new Float64Array(Math.max(0, ids.length - 1))
  for (let start = 0; start < values.length; ) {
    // The last id is only predicted, never read; one id left over alone is read together with it all the same.
    const count = chunkLength(ids.length - start, chunkTokens)
    const logits = await decoder.prefill({ row, tokens: ids, start, count, position: start, logits: 'all' })
    for (let i = 0; i < count && start + i < values.length; i++) {
      const row = logits.subarray(i * vocabSize, (i + 1) * vocabSize)
      values[start + i] = (row[ids[start + i + 1] ?? 0] ?? 0) - logSumExp(row)
    }
    start += count
  }
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return { values, perplexity: Math.exp(-mean) }
}
