/** Runs an imported folder's graph through onnxruntime-node's own API: slow for serving, and enough to look at logits. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import {
  CONFIG_FILE,
  GRAPH_FILE,
  type ModelConfig,
  modelConfigSchema,
} from '../../../functions/inference/models/model-config.ts'

export type GraphSession = {
  config: ModelConfig
  /** Appends `ids` to the rows of `past`, all of the same length, and gives the logits at `positions` of each row. */
  run(
    past: Past,
    ids: readonly (readonly number[])[],
    positions: readonly number[],
  ): Promise<{ logits: Float32Array[][]; past: Past }>
  empty(rows: number): Past
  /** Several pasts of one row and the same length as one of several rows. */
  stack(pasts: readonly Past[]): Past
  close(): Promise<void>
}

export type Past = { rows: number; length: number; tensors: Record<string, Tensor> }

export async function openGraph(folder: string): Promise<GraphSession> {
  const config = modelConfigSchema.parse(JSON.parse(await readFile(join(folder, CONFIG_FILE), 'utf8')))
  const session = await InferenceSession.create(join(folder, GRAPH_FILE), { intraOpNumThreads: 2 })
  const { layers, kvHeads, headDim, vocabSize } = config
  const names = Array.from({ length: layers }, (_, layer) => [`${layer}.key`, `${layer}.value`]).flat()
  const int64 = (values: readonly number[], dims: number[]) =>
    new Tensor('int64', BigInt64Array.from(values, BigInt), dims)
  return {
    config,
    empty(rows) {
      const entries = names.map((name) => [
        `past_key_values.${name}`,
        new Tensor('float32', new Float32Array(0), [rows, kvHeads, 0, headDim]),
      ])
      return { rows, length: 0, tensors: Object.fromEntries(entries) }
    },
    stack(pasts) {
      const length = pasts[0]?.length ?? 0
      const entries = names.map((name) => {
        const values = new Float32Array(pasts.length * kvHeads * length * headDim)
        pasts.forEach((past, row) => {
          const data = past.tensors[`past_key_values.${name}`]?.data
          if (!(data instanceof Float32Array) || past.length !== length) throw new Error('pasts of different lengths')
          values.set(data, row * kvHeads * length * headDim)
        })
        return [`past_key_values.${name}`, new Tensor('float32', values, [pasts.length, kvHeads, length, headDim])]
      })
      return { rows: pasts.length, length, tensors: Object.fromEntries(entries) }
    },
    async run(past, ids, positions) {
      const rows = ids.length
      const columns = ids[0]?.length ?? 0
      const length = past.length + columns
      const results = await session.run({
        input_ids: int64(ids.flat(), [rows, columns]),
        seqlens_k: new Tensor('int32', new Int32Array(rows).fill(length - 1), [rows]),
        total_sequence_length: new Tensor('int32', Int32Array.of(length), []),
        logits_index: int64(
          ids.flatMap(() => positions),
          [rows, positions.length, 1],
        ),
        ...past.tensors,
      })
      const data = results.logits?.data
      if (!(data instanceof Float32Array)) throw new Error('no logits')
      const tensors: Record<string, Tensor> = {}
      for (const name of names) {
        const present = results[`present.${name}`]
        if (!present) throw new Error(`no present.${name}`)
        tensors[`past_key_values.${name}`] = present
      }
      const logits = ids.map((_, row) =>
        positions.map((_, i) => {
          const at = (row * positions.length + i) * vocabSize
          return data.slice(at, at + vocabSize)
        }),
      )
      return { logits, past: { rows, length, tensors } }
    },
    close: () => session.release(),
  }
}
