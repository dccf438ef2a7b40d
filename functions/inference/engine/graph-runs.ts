/**
 * The runs of one session over the cache: a chunk of a prompt into one row, and one token into each of the first rows.
 * Inputs are bound once and written in place. One run at a time; the arrays that come back are overwritten by the next one.
 */
import type { ModelConfig } from '../models/model-config.ts'
import type { Decoder, PrefillChunk } from './decoder.ts'
import type { KvCache } from './kv-cache.ts'
import { floats, int32s, int64s } from './native-memory.ts'
import type { OrtBinding, OrtSession } from './ort-session.ts'

export type GraphRuns = Pick<Decoder, 'prefill' | 'decode'> & {
  /** Frees the bindings and the session. */
  close(): void
}

export type GraphRunsOptions = {
  session: OrtSession
  cache: KvCache
  config: ModelConfig
  context: number
  chunkTokensMax: number
  /** Called before each run, to bind what a variant of the graph has beside the inputs of every graph. */
  bindMore?: (run: RunShape) => void
}

/** `rows` and `tokens` per row of a run, and the adapter of each row. */
export type RunShape = {
  binding: OrtBinding
  rows: number
  tokens: number
  adapters: readonly (string | null)[]
}

export function openGraphRuns(options: GraphRunsOptions): GraphRuns {
  const { session, cache, config, context, chunkTokensMax, bindMore = () => {} } = options
  const { vocabSize } = config

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
    async prefill({ row, tokens, start, count, position, logits, adapter = null }: PrefillChunk) {
      if (position + count > context) throw new Error(`A row of ${context} tokens cannot hold ${position + count}.`)
      const binding = prefillBindings[row] ?? openPrefill(row)
      for (let i = 0; i < count; i++) chunkIds[i] = BigInt(tokens[start + i] ?? 0)
      chunkLastKey[0] = position + count - 1
      chunkTotal[0] = position + count
      binding.input('input_ids', chunkIds.subarray(0, count), [1, count])
      bindMore({ binding, rows: 1, tokens: count, adapters: [adapter] })
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
    async decode(count, tokens, positions, adapters = []) {
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
      bindMore({ binding: step.binding, rows: count, tokens: 1, adapters })
      await step.binding.run()
      return step.logits
    },
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
