/** llama.cpp as bench:engine drives it. */
import { serveEngine } from './engine-process.ts'
import { openLlama } from './llama-cpp.ts'
import {
  BATCH_MAX,
  CONTEXT,
  type EngineSettings,
  type MeasuredEngine,
  PREFILL_TOKENS_MAX,
  promptTokens,
} from './measured-engine.ts'

async function openMeasured({ ggufPath, threads }: EngineSettings): Promise<MeasuredEngine> {
  const llama = await openLlama(ggufPath, threads)
  const contextTokens = CONTEXT + PREFILL_TOKENS_MAX
  const tokens = promptTokens(contextTokens)
  /** One with the tokens behind in every sequence, one that is always emptied: cutting back is then cheap in both. */
  const deep = await llama.openContext({ sequences: BATCH_MAX, contextTokens })
  const empty = await llama.openContext({ sequences: BATCH_MAX, contextTokens })
  await deep.decode([{ sequence: 0, position: 0, tokens: tokens.slice(0, CONTEXT) }])
  for (let sequence = 1; sequence < BATCH_MAX; sequence++) await deep.copy(0, sequence)

  return {
    version: llama.version,
    async measure(cell) {
      const context = cell.context > 0 ? deep : empty
      const started = performance.now()
      if (cell.kind === 'prefill') {
        const added = tokens.slice(cell.context, cell.context + cell.tokens)
        await context.decode([{ sequence: 0, position: cell.context, tokens: added }])
      } else {
        let next = tokens.slice(0, cell.batch)
        for (let step = 0; step < cell.steps; step++) {
          const position = cell.context + step
          next = await context.decode(next.map((token, sequence) => ({ sequence, position, tokens: [token] })))
        }
      }
      const ms = performance.now() - started
      for (let sequence = 0; sequence < BATCH_MAX; sequence++) context.cut(sequence, cell.context)
      return ms
    },
  }
}

await serveEngine(openMeasured)
