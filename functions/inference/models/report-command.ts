/** The words of `npm run models -- report`. */
import { measureModel, REPORT_BATCH_MAX, REPORT_RUNS_DEFAULT, REPORT_RUNS_MAX } from './measure-model.ts'
import { reportText } from './model-report.ts'
import { progressWriter } from './progress-writer.ts'

export type ReportFlags = { runs?: string | undefined; batch?: string | undefined; json?: boolean | undefined }

/** @param word what the caller calls the model. @param folder null where there is none. @returns what to print, or what is wrong */
export async function reportCommand(
  word: string,
  folder: string | null,
  flags: ReportFlags,
): Promise<{ ok: true; text: string } | { ok: false; message: string }> {
  const runs = Number(flags.runs ?? REPORT_RUNS_DEFAULT)
  const batch = Number(flags.batch ?? 1)
  const limits = [
    ['runs', runs, REPORT_RUNS_MAX],
    ['batch', batch, REPORT_BATCH_MAX],
  ] as const
  for (const [name, value, max] of limits) {
    if (!Number.isInteger(value) || value < 1 || value > max)
      return { ok: false, message: `--${name} must be a whole number from 1 to ${max}.` }
  }
  if (folder === null) {
    const message = `There is no chat model ${word} here. Fetch it: npm run models -- pull ${word}, or pull --file PATH and report its name.`
    return { ok: false, message }
  }
  const progress = progressWriter(process.stderr)
  const measured = await measureModel(folder, { runs, batch }, (done) =>
    progress.show({ phase: 'measuring', detail: word, done, total: runs }),
  )
  progress.end()
  return { ok: true, text: flags.json ? JSON.stringify(measured) : reportText(measured) }
}
