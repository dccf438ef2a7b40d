/** Our engine's ln p for a window, through the very prefill that serves prompts. */
import type { Decoder } from '../../../functions/inference/engine/decoder.ts'
import { chunkLength } from '../../../functions/inference/engine/scheduler.ts'
import { logProbability } from './rule.ts'

/** ln p of each token but the first. Uses row 0 from its start; what it held is overwritten. */
export async function ourLogProbabilities(
  decoder: Decoder,
  tokens: readonly number[],
  chunkTokens: number,
): Promise<number[]> {
  const { vocabSize } = decoder.config
  const result: number[] = []
  for (let start = 0; start < tokens.length; ) {
    const count = chunkLength(tokens.length - start, chunkTokens)
    const logits = await decoder.prefill({ row: 0, tokens, start, count, position: start, logits: 'all' })
    for (let index = 0; index < count; index++) {
      const next = tokens[start + index + 1]
      if (next !== undefined)
        result.push(logProbability(logits.subarray(index * vocabSize, (index + 1) * vocabSize), next))
    }
    start += count
  }
  return result
}
