/** What the model thinks of a given text: the ground of perplexity. */
import type { Decoder } from './decoder.ts'
import { chunkLength } from './scheduler.ts'

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
      values[start + i] = logProbability(logits.subarray(i * vocabSize, (i + 1) * vocabSize), ids[start + i + 1] ?? 0)
    }
    start += count
  }
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return { values, perplexity: Math.exp(-mean) }
}

/** ln softmax(logits)[id], the sum in double precision around the largest logit. */
function logProbability(logits: Float32Array, id: number): number {
  let largest = Number.NEGATIVE_INFINITY
  for (const logit of logits) largest = Math.max(largest, logit)
  let sum = 0
  for (const logit of logits) sum += Math.exp(logit - largest)
  return (logits[id] ?? 0) - largest - Math.log(sum)
}
