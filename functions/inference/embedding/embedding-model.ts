/** The model in this very process: token ids in, unit vectors out. */
import { floats, int64s } from '../engine/native-memory.ts'
import { openSession, type ThreadOptions } from '../engine/ort-session.ts'
import type { EmbeddingFolder } from '../models/embedding-folder.ts'
import { splitBatch } from './split-batch.ts'

export type EmbeddingModel = {
  /**
   * @param rows token ids, [CLS] and [SEP] included; at least one each, at most the model's inputTokensMax
   * @returns float [rows.length, dimensions]; each row has length 1. What a row gives does not depend on the others: arithmetic is fp32,
   * whose kernels give every row of a batch the same bits, and what is masked counts as exactly nothing
   */
  embed(rows: readonly ArrayLike<number>[]): Promise<Float32Array<ArrayBuffer>>
  close(): void
}

/**
 * Measured on two cores, tokens per millisecond: 2.5 for a row of 8 tokens, 6.3 for 32 of them, 6.6 for 32 rows of 16 or 8 of 64; beyond
 * 512 tokens less again (5.0 for 32 rows of 128), and the library keeps the memory of its largest run (1.7 GB after 32 rows of 256).
 */
const RUN_TOKENS_MAX = 512
/** A run of one short row takes 2 ms more than its share of a long run. */
const RUN_COST_TOKENS = 12

/** @throws Error when the file is no graph that this library can run */
export function openEmbeddingModel(folder: EmbeddingFolder, threads: ThreadOptions): EmbeddingModel {
  const { graphFile, dimensions, inputTokensMax } = folder
  const session = openSession(graphFile, threads)
  const binding = session.bind()
  const tokensMax = Math.max(RUN_TOKENS_MAX, inputTokensMax)
  const ids = int64s(tokensMax)
  const mask = int64s(tokensMax)
  /** One segment: all zero. */
  const types = int64s(tokensMax)
  const hidden = floats(tokensMax * dimensions)

  /** Right-padded: the positions of a row's tokens are what they are alone. */
  async function run(rows: readonly ArrayLike<number>[]): Promise<number> {
    const width = rows.reduce((longest, row) => Math.max(longest, row.length), 0)
    const tokens = rows.length * width
    for (const [at, row] of rows.entries()) {
      for (let i = 0; i < width; i++) {
        ids[at * width + i] = BigInt(row[i] ?? 0)
        mask[at * width + i] = i < row.length ? 1n : 0n
      }
    }
    const shape = [rows.length, width]
    binding.input('input_ids', ids.subarray(0, tokens), shape)
    binding.input('attention_mask', mask.subarray(0, tokens), shape)
    binding.input('token_type_ids', types.subarray(0, tokens), shape)
    binding.output('last_hidden_state', hidden.subarray(0, tokens * dimensions), [...shape, dimensions])
    await binding.run()
    return width
  }

  return {
    async embed(rows) {
      const vectors = new Float32Array(rows.length * dimensions)
      const lengths = rows.map(({ length }) => length)
      for (const indices of splitBatch(lengths, { runCostTokens: RUN_COST_TOKENS, runTokensMax: RUN_TOKENS_MAX })) {
        const width = await run(indices.map((index) => rows[index] ?? []))
        for (const [at, index] of indices.entries()) {
          const row = hidden.subarray(at * width * dimensions, (at * width + (lengths[index] ?? 0)) * dimensions)
          poolMean(row, vectors.subarray(index * dimensions, (index + 1) * dimensions))
        }
      }
      return vectors
    },
    close() {
      binding.release()
      session.close()
    },
  }
}

/** The mean over tokens, made 1 long. @param hidden float [tokens, target.length] */
function poolMean(hidden: Float32Array, target: Float32Array): void {
  const dimensions = target.length
  const sums = new Float64Array(dimensions)
  for (let at = 0; at < hidden.length; at += dimensions) {
    for (let i = 0; i < dimensions; i++) sums[i] = (sums[i] ?? 0) + (hidden[at + i] ?? 0)
  }
  const norm = Math.sqrt(sums.reduce((sum, value) => sum + value * value, 0))
  for (let i = 0; i < dimensions; i++) target[i] = (sums[i] ?? 0) / norm
}
