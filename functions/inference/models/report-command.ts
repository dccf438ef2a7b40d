/** The words of `npm run models -- report`. */
import { stat } from 'node:fs/promises'
import { embeddingEntry } from './ensure-embedding-model.ts'
import { readImported } from './import-once.ts'
import { measureModel, REPORT_BATCH_MAX, REPORT_RUNS_DEFAULT, REPORT_RUNS_MAX } from './measure-model.ts'
import { reportText } from './model-report.ts'
import { modelSource } from './model-source.ts'
import { withProgress } from './progress-writer.ts'

export type ReportFlags = { runs?: string | undefined; batch?: string | undefined; json?: boolean | undefined }

/**
 * @param word what the caller calls the model
 * @param folderOf where a model lies that is known by name; null where it is not here
 * @returns what to print, or what is wrong
 */
export async function reportCommand(
  word: string,
  folderOf: (word: string) => Promise<string | null>,
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
  const found = await chatFolder(word, folderOf)
  if (!found.ok) return found
  const measured = await withProgress(process.stderr, (show) => {
    const onDone = (done: number) => show({ phase: 'measuring', detail: word, done, total: runs })
    // The model is loaded first, and the first inference is not counted: for a large one that is long.
    onDone(0)
    return measureModel(found.folder, { runs, batch }, onDone)
  })
  return { ok: true, text: flags.json ? JSON.stringify(measured) : reportText(measured) }
}

/** A chat model by name, or a folder that an import, `export` or `quantize` wrote; else what is there instead, and what to do. */
async function chatFolder(
  word: string,
  folderOf: (word: string) => Promise<string | null>,
): Promise<{ ok: true; folder: string } | { ok: false; message: string }> {
  const wrong = (message: string) => ({ ok: false as const, message })
  if (embeddingEntry(word)) return wrong(`${word} is an embedding model, and chat models are reported.`)
  const source = modelSource(word)
  if (!('path' in source)) {
    const folder = await folderOf(word)
    if (folder !== null) return { ok: true, folder }
    return wrong(`There is no chat model ${word} here. Fetch it: npm run models -- pull ${word}`)
  }
  if (await readImported(word)) return { ok: true, folder: word }
  const there = await stat(word).catch(() => null)
  if (there === null) return wrong(`There is no folder ${word}.`)
  if (!there.isDirectory())
    return wrong(
      `${word} is a file. Import it: npm run models -- pull --file ${word}, and report the folder that this prints.`,
    )
  return wrong(
    `${word} is not what export or quantize wrote, or lost a part of it. A folder of Hugging Face's is made one: npm run models -- export ${word} --out DIR`,
  )
}
