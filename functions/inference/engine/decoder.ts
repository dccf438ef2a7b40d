/**
 * The model as two operations: feed a chunk of a prompt into one row, and advance the first rows by one token each.
 * Knows nothing of requests. One operation runs at a time; the arrays it returns are overwritten by the next one.
 */
import { join } from 'node:path'
import { GRAPH_FILE, type ModelConfig } from '../models/model-config.ts'
import { type AdapterHost, openAdapterRuns } from './adapter-runs.ts'
import { openGraphRuns } from './graph-runs.ts'
import { openKvCache } from './kv-cache.ts'
import { openSession, type ThreadOptions } from './ort-session.ts'
import type { PrefixRows } from './prefix-store.ts'

export type Decoder = {
  config: ModelConfig
  rows: number
  /** Tokens per row. */
  context: number
  /**
   * Appends `count` tokens from `tokens[start]` to a row that holds `position` tokens.
   * @returns the logits of the last of them, float [vocabSize]; or of all of them, float [count, vocabSize]
   */
  prefill(chunk: PrefillChunk): Promise<Float32Array>
  /**
   * Appends `tokens[i]` at `positions[i]` to row i, for i < count: the rows 0..count-1 in one run.
   * @param adapters of each row; what is missing or null is the model itself
   * @returns float [count, vocabSize]
   */
  decode(
    count: number,
    tokens: ArrayLike<number>,
    positions: ArrayLike<number>,
    adapters?: readonly (string | null)[],
  ): Promise<Float32Array>
  copyRow(from: number, to: number, tokens: number): void
  swapRows(one: number, other: number, tokens: number): void
  close(): void
} & PrefixRows

export type PrefillChunk = {
  row: number
  tokens: ArrayLike<number>
  start: number
  count: number
  position: number
  logits: 'last' | 'all'
  /** The key of an adapter that was added; absent or null is the model itself. */
  adapter?: string | null
}

export type DecoderOptions = ThreadOptions & {
  folder: string
  config: ModelConfig
  rows: number
  /** Tokens per row, at most config.contextLength. */
  context: number
  /** The longest chunk that prefill takes, in tokens. */
  chunkTokensMax: number
}

export function openDecoder(options: DecoderOptions): Decoder & AdapterHost {
  const { config, rows, context } = options
  const cache = openKvCache(config, rows, context)
  const base = openGraphRuns({ ...options, session: openSession(join(options.folder, GRAPH_FILE), options), cache })
  const adapted = openAdapterRuns({ ...options, cache })
  return {
    config,
    rows,
    context,
    prefill: (chunk) => ((chunk.adapter ?? null) === null ? base : adapted).prefill(chunk),
    decode(count, tokens, positions, adapters = []) {
      const isPlain = adapters.every((adapter) => adapter === null)
      return (isPlain ? base : adapted).decode(count, tokens, positions, adapters)
    },
    copyRow: cache.copyRow,
    swapRows: cache.swapRows,
    tokenFloats: cache.tokenFloats,
    saveTokens: cache.saveTokens,
    loadTokens: cache.loadTokens,
    addAdapter: adapted.addAdapter,
    removeAdapter: adapted.removeAdapter,
    close() {
      base.close()
      adapted.close()
    },
  }
}
