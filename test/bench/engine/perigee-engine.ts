/** Our engine as bench:engine drives it: the decoder that the server's scheduler drives, in this process, without HTTP. */
import { createRequire } from 'node:module'
import { CHUNK_TOKENS_DEFAULT, chunkLength } from '../../../functions/inference/engine/chunk-length.ts'
import { loadModel } from '../../../functions/inference/engine/load-model.ts'
import { largest } from '../../../functions/inference/engine/sampler.ts'
import { IMPORTER_VERSION } from '../../../functions/inference/models/model-config.ts'
import { serveEngine } from './engine-process.ts'
import {
  BATCH_MAX,
  CONTEXT,
  type EngineSettings,
  type MeasuredEngine,
  PREFILL_TOKENS_MAX,
  promptTokens,
} from './measured-engine.ts'

const onnxRuntime: { version: string } = createRequire(import.meta.url)('onnxruntime-node/package.json')

async function openPerigee({ modelFolder, threads }: EngineSettings): Promise<MeasuredEngine> {
  const { decoder, config } = loadModel(modelFolder, {
    threads,
    rows: BATCH_MAX + 1,
    context: CONTEXT + PREFILL_TOKENS_MAX,
    chunkTokens: CHUNK_TOKENS_DEFAULT,
  })
  /** The row that holds what lies behind; the rows that decode are copies of it. */
  const behind = BATCH_MAX
  const tokens = promptTokens(CONTEXT + PREFILL_TOKENS_MAX)

  async function prefill(row: number, from: number, count: number): Promise<number> {
    let token = 0
    for (let done = 0; done < count; ) {
      const length = chunkLength(count - done, CHUNK_TOKENS_DEFAULT)
      const start = from + done
      const logits = await decoder.prefill({ row, tokens, start, count: length, position: start, logits: 'last' })
      token = largest(logits)
      done += length
    }
    return token
  }
  await prefill(behind, 0, CONTEXT)

  return {
    version: `onnxruntime-node ${onnxRuntime.version}, importer ${IMPORTER_VERSION}`,
    async measure(cell) {
      if (cell.kind === 'prefill') {
        if (cell.context > 0) decoder.copyRow(behind, 0, cell.context)
        const started = performance.now()
        await prefill(0, cell.context, cell.tokens)
        return performance.now() - started
      }
      const rows = cell.sameness ? Math.max(2, cell.batch) : cell.batch
      const next: number[] = tokens.slice(0, rows)
      for (let row = 0; row < rows && cell.context > 0; row++) decoder.copyRow(behind, row, cell.context)
      const started = performance.now()
      for (let step = 0; step < cell.steps; step++) {
        const positions = next.map(() => cell.context + step)
        const logits = await decoder.decode(rows, next, positions)
        for (let row = 0; row < cell.batch; row++) {
          next[row] = largest(logits.subarray(row * config.vocabSize, (row + 1) * config.vocabSize))
        }
      }
      return performance.now() - started
    },
  }
}

await serveEngine(openPerigee)
