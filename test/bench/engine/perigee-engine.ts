/** Our engine as bench:engine drives it: the decoder that the server's scheduler drives, in this process, without HTTP. */
import { openDecoder } from '../../../functions/inference/engine/decoder.ts'
import { readModelConfig } from '../../../functions/inference/engine/model-folder.ts'
import { largest } from '../../../functions/inference/engine/sampler.ts'
import { chunkLength } from '../../../functions/inference/engine/scheduler.ts'
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

/** As the server's own. */
const CHUNK_TOKENS = 128

async function openPerigee({ modelFolder, threads }: EngineSettings): Promise<MeasuredEngine> {
  const config = readModelConfig(modelFolder)
  /** Holds what lies behind; decoding rows are copies of it. */
  const behind = BATCH_MAX
  const decoder = openDecoder({
    folder: modelFolder,
    config,
    rows: BATCH_MAX + 1,
    context: CONTEXT + PREFILL_TOKENS_MAX,
    threads,
    chunkTokensMax: CHUNK_TOKENS,
  })
  const tokens = promptTokens(CONTEXT + PREFILL_TOKENS_MAX)

  async function prefill(row: number, from: number, count: number): Promise<number> {
    let token = 0
    for (let done = 0; done < count; ) {
      const length = chunkLength(count - done, CHUNK_TOKENS)
      const start = from + done
      const logits = await decoder.prefill({ row, tokens, start, count: length, position: start, logits: 'last' })
      token = largest(logits)
      done += length
    }
    return token
  }
  await prefill(behind, 0, CONTEXT)

  return {
    version: `importer ${IMPORTER_VERSION}`,
    async measure(cell) {
      if (cell.kind === 'prefill') {
        if (cell.context > 0) decoder.copyRow(behind, 0, cell.context)
        const started = performance.now()
        await prefill(0, cell.context, cell.tokens)
        return performance.now() - started
      }
      const next: number[] = tokens.slice(0, cell.batch)
      for (let row = 0; row < cell.batch && cell.context > 0; row++) decoder.copyRow(behind, row, cell.context)
      const started = performance.now()
      for (let step = 0; step < cell.steps; step++) {
        const positions = next.map(() => cell.context + step)
        const logits = await decoder.decode(cell.batch, next, positions)
        for (let row = 0; row < cell.batch; row++) {
          next[row] = largest(logits.subarray(row * config.vocabSize, (row + 1) * config.vocabSize))
        }
      }
      return performance.now() - started
    },
  }
}

await serveEngine(openPerigee)
