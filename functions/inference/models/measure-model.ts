/** Runs an imported model in this process, one inference after another, and reports. */
import { availableParallelism, cpus } from 'node:os'
import { loadModel } from '../engine/load-model.ts'
import { weightsBytes } from '../engine/model-folder.ts'
import { type Inference, type ModelReport, type ReportRule, reportOf } from './model-report.ts'

const MIB = 2 ** 20
export const REPORT_RUNS_DEFAULT = 10
export const REPORT_RUNS_MAX = 10_000
const PROMPT_TOKENS = 128
const ANSWER_TOKENS = 32

/** Callers whose answers advance together; the server's own limit for `--slots` is higher. */
export const REPORT_BATCH_MAX = 64

/**
 * The first inference warms the kernels up and is not counted. @param batch prompts of one inference: read one after the other, answered together
 * @param onDone called after each of the others
 */
export async function measureModel(
  folder: string,
  { runs, batch }: { runs: number; batch: number },
  onDone: (done: number) => void = () => {},
): Promise<ModelReport> {
  const rule: ReportRule = {
    ...{ runs, batch, promptTokens: PROMPT_TOKENS, answerTokens: ANSWER_TOKENS, threads: availableParallelism() },
  }
  const residentMib = () => Math.round(process.memoryUsage.rss() / MIB)
  const residentBefore = residentMib()
  const model = loadModel(folder, { threads: rule.threads, rows: batch, context: PROMPT_TOKENS + ANSWER_TOKENS })
  try {
    const inferences: Inference[] = []
    for (let run = 0; run <= runs; run++) {
      let prefillMs = 0
      for (let row = 0; row < batch; row++) {
        prefillMs += (await model.measurePrefill({ tokens: PROMPT_TOKENS, depth: 0 })).milliseconds
      }
      const decode = await model.measureDecode({ batch, depth: PROMPT_TOKENS, steps: ANSWER_TOKENS })
      if (run === 0) continue
      inferences.push({ prefillMs, decodeMs: decode.milliseconds })
      onDone(run)
    }
    return reportOf(inferences, {
      ...rule,
      model: model.config.name,
      machine: { cpu: cpus()[0]?.model.trim() ?? 'unknown', cores: cpus().length },
      date: new Date().toISOString().slice(0, 10),
      memoryMib: {
        weights: Math.round(weightsBytes(folder) / MIB),
        residentBefore,
        resident: residentMib(),
      },
    })
  } finally {
    model.close()
  }
}
