/** How likely each token of a prompt was, told as the prompt is read: what `echo` with `logprobs` wants. */
import type { EngineRequest, StepReport } from './engine-messages.ts'
import { tokenLogprobs } from './token-logprobs.ts'

/**
 * Tells of the tokens behind those of a chunk, where the request asked.
 * @param logits float [vocabSize], or float [count, vocabSize] where the request asked
 * @param start place in the prompt of the chunk's first token
 * @returns the logits of the chunk's last token
 */
export function readChunkLogits(
  logits: Float32Array,
  chunk: { request: EngineRequest; start: number; count: number; vocabSize: number },
  step: StepReport,
): Float32Array {
  const { request, start, count, vocabSize } = chunk
  const { id, prompt, promptLogprobs } = request
  if (promptLogprobs === undefined || logits.length === vocabSize) return logits
  const row = (index: number) => logits.subarray(index * vocabSize, (index + 1) * vocabSize)
  const next = prompt.slice(start + 1, start + 1 + count)
  step.promptLogprobs = { id, logprobs: next.map((token, i) => tokenLogprobs(row(i), token, promptLogprobs)) }
  return row(count - 1)
}
