/**
 * The model as two operations: feed a chunk of a prompt into one row, and advance the first rows by one token each.
 * Knows nothing of requests. One operation runs at a time; the arrays it returns are overwritten by the next one.
 */
import { join } from 'node:path'
import { GRAPH_FILE, type ModelConfig } from '../models/model-config.ts'
import { openKvCache } from './kv-cache.ts'
import { floats, int32s, int64s } from './native-memory.ts'
import { type OrtBinding, openSession, type ThreadOptions } from './ort-session.ts'
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
   * @returns float [count, vocabSize]
   */
  decode(count: number, tokens: ArrayLike<number>, positions: ArrayLike<number>): Promise<Float32Array>
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

export function openDecoder(options: DecoderOptions): Decoder {
  const { config, rows, context, chunkTokensMax } = options
  const { vocabSize } = config
  const session = openSession(join(options.folder, GRAPH_FILE), options)
  const cache = openKvCache(config, rows, context)

  function bindRows(first: number, count: number): OrtBinding {
    const binding = session.bind()
    for (const name of cache.names) {
      const { data, shape } = cache.rows(name, first, count)
      binding.input(`past_key_values.${name}`, data, shape)
      binding.output(`present.${name}`, data, shape)
    }
    return binding
  }

  const decodeSteps: (DecodeStep | undefined)[] = []
  function openDecodeStep(count: number): DecodeStep {
    const step = {
      binding: bindRows(0, count),
      inputIds: int64s(count),
      lastKeys: int32s(count),
      totalLength: int32s(1),
      logits: floats(count * vocabSize),
    }
    step.binding.input('input_ids', step.inputIds, [count, 1])
    step.binding.input('seqlens_k', step.lastKeys, [count])
    step.binding.input('total_sequence_length', step.totalLength, [])
    step.binding.input('logits_index', int64s(count), [count, 1, 1])
    step.binding.output('logits', step.logits, [count, 1, vocabSize])
    decodeSteps[count] = step
    return step
  }

  const prefillBindings: (OrtBinding | undefined)[] = []
  const chunkIds = int64s(chunkTokensMax)
  const chunkLastKey = int32s(1)
  const chunkTotal = int32s(1)
  const lastIndex = int64s(1)
  const lastLogits = floats(vocabSize)
  /** Made when first asked for: only perplexity wants the logits of every position. */
  let everyIndex: BigInt64Array<ArrayBuffer> | undefined
  let everyLogits: Float32Array<ArrayBuffer> | undefined

  function openPrefill(row: number): OrtBinding {
    const binding = bindRows(row, 1)
    binding.input('seqlens_k', chunkLastKey, [1])
    binding.input('total_sequence_length', chunkTotal, [])
    prefillBindings[row] = binding
    return binding
  }

  return {
    config,
    rows,
    context,
    async prefill({ row, tokens, start, count, position, logits }) {
      if (position + count > context) throw new Error(`A row of ${context} tokens cannot hold ${position + count}.`)
      const binding = prefillBindings[row] ?? openPrefill(row)
      for (let i = 0; i < count; i++) chunkIds[i] = BigInt(tokens[start + i] ?? 0)
      chunkLastKey[0] = position + count - 1
      chunkTotal[0] = position + count
      binding.input('input_ids', chunkIds.subarray(0, count), [1, count])
      if (logits === 'last') {
        lastIndex[0] = BigInt(count - 1)
        binding.input('logits_index', lastIndex, [1, 1, 1])
        binding.output('logits', lastLogits, [1, 1, vocabSize])
        await binding.run()
        return lastLogits
      }
      everyIndex ??= int64s(chunkTokensMax).map((_, index) => BigInt(index))
      everyLogits ??= floats(chunkTokensMax * vocabSize)
      const wanted = everyLogits.subarray(0, count * vocabSize)
      binding.input('logits_index', everyIndex.subarray(0, count), [1, count, 1])
      binding.output('logits', wanted, [1, count, vocabSize])
      await binding.run()
      return wanted
    },
    async decode(count, tokens, positions) {
      const step = decodeSteps[count] ?? openDecodeStep(count)
      let longest = 0
      for (let row = 0; row < count; row++) {
        const position = positions[row] ?? 0
        if (position >= context) throw new Error(`A row of ${context} tokens is full.`)
        step.inputIds[row] = BigInt(tokens[row] ?? 0)
        step.lastKeys[row] = position
        longest = Math.max(longest, position)
      }
      step.totalLength[0] = longest + 1
      await step.binding.run()
      return step.logits
    },
    copyRow: cache.copyRow,
    swapRows: cache.swapRows,
    tokenFloats: cache.tokenFloats,
    saveTokens: cache.saveTokens,
    loadTokens: cache.loadTokens,
    close() {
      for (const step of decodeSteps) step?.binding.release()
      for (const binding of prefillBindings) binding?.release()
      session.close()
    },
  }
}

/** Bound once per batch size and written in place. */
type DecodeStep = {
  binding: OrtBinding
  inputIds: BigInt64Array<ArrayBuffer>
  lastKeys: Int32Array<ArrayBuffer>
  totalLength: Int32Array<ArrayBuffer>
  logits: Float32Array<ArrayBuffer>
}
