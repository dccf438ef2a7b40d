/** The model in this very process, without slots or queue: for benches, perplexity and tests. Servers use engine-client.ts. */
import type { ModelConfig } from '../models/model-config.ts'
import { CHUNK_TOKENS_DEFAULT, chunkLength } from './chunk-length.ts'
import { type Decoder, openDecoder } from './decoder.ts'
import { type LogProbabilities, logProbabilities } from './log-probabilities.ts'
import { readModelConfig } from './model-folder.ts'
import { rowsFor } from './scheduler.ts'
import { SPIN_US_DEFAULT } from './spin.ts'

export type LoadedModel = {
  config: ModelConfig
  /** Tokens per row. */
  context: number
  decoder: Decoder
  /** Reads `tokens` prompt tokens behind `depth` others in one row. */
  measurePrefill(run: { tokens: number; depth: number }): Promise<Measured>
  /** Advances `batch` rows that hold `depth` tokens each by `steps` tokens. Nothing is sampled. */
  measureDecode(run: { batch: number; depth: number; steps: number }): Promise<Measured>
  /** ln p of every token but the first, given all before it. At most `context` ids. */
  logProbabilities(ids: readonly number[]): Promise<LogProbabilities>
  close(): void
}

/** `tokens` is the sum over the batch. */
export type Measured = { tokens: number; milliseconds: number; tokensPerSecond: number }

export type LoadOptions = {
  threads: number
  /** Microseconds; see ThreadOptions. Default the server's, SPIN_US_DEFAULT. */
  spinUs?: number
  /** The largest batch; default 8. */
  rows?: number
  /** Tokens per row; default 2048, at most the model's own limit. */
  context?: number
  /** Default the server's. */
  chunkTokens?: number
}

export function loadModel(folder: string, options: LoadOptions): LoadedModel {
  const config = readModelConfig(folder)
  const chunkTokens = options.chunkTokens ?? CHUNK_TOKENS_DEFAULT
  const context = Math.min(options.context ?? 2_048, config.contextLength)
  const rows = rowsFor(options.rows ?? 8)
  const { threads, spinUs = SPIN_US_DEFAULT } = options
  const decoder = openDecoder({ folder, config, rows, context, threads, spinUs, chunkTokensMax: chunkTokens })

  /** Any ids do: the time does not depend on them. */
  const someIds = (count: number) => Array.from({ length: count }, (_, index) => (index * 7_919) % config.vocabSize)

  async function fill(row: number, from: number, count: number) {
    const tokens = someIds(count)
    for (let start = 0; start < count; ) {
      const length = chunkLength(count - start, chunkTokens)
      await decoder.prefill({ row, tokens, start, count: length, position: from + start, logits: 'last' })
      start += length
    }
  }

  async function measured(tokens: number, run: () => Promise<void>): Promise<Measured> {
    const started = performance.now()
    await run()
    const milliseconds = performance.now() - started
    return { tokens, milliseconds, tokensPerSecond: (tokens / milliseconds) * 1_000 }
  }

  return {
    config,
    context,
    decoder,
    async measurePrefill({ tokens, depth }) {
      await fill(0, 0, depth)
      return measured(tokens, () => fill(0, depth, tokens))
    },
    async measureDecode({ batch, depth, steps }) {
      await fill(0, 0, depth)
      for (let row = 1; row < batch; row++) decoder.copyRow(0, row, depth)
      const tokens = someIds(batch)
      return measured(batch * steps, async () => {
        for (let step = 0; step < steps; step++) {
          const positions = new Array<number>(batch).fill(depth + step)
          await decoder.decode(batch, tokens, positions)
        }
      })
    },
    logProbabilities: (ids) => logProbabilities(decoder, 0, ids, chunkTokens),
    close: decoder.close,
  }
}
