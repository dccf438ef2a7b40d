/** `npm run models -- quantize`: a model in fewer bits, and by how much it is worse. */
import { createHash } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { weightsBytes } from '../engine/model-folder.ts'
import { GGML_TYPES } from '../import/ggml-types.ts'
import { importModel, type ModelSource } from '../import/import-model.ts'
import { type Bits, quantisedFile } from '../import/quantised-file.ts'
import { measurePerplexity } from './measure-perplexity.ts'
import type { ModelProgress, OnProgress } from './model-progress.ts'
import { modelNameFault } from './model-target.ts'
import { intoNewFolder } from './new-folder.ts'
import type { QuantiseReport } from './quantise-report.ts'
import { type Weights, weightsOf } from './weights-of.ts'

export type QuantiseOptions = {
  /** See weights-of.ts. */
  source: string
  bits: Bits
  out: string
  /** What the model is called in the API; the source's name and the bits if not given. */
  name?: string | undefined
  /** What both are scored on. */
  text: string
  threads: number
  onProgress: OnProgress
}

/** Raise when other integers come out for the same weights: it is part of what tells their answers apart. */
const QUANTISER_VERSION = 1

type Result = { ok: true; report: QuantiseReport } | { ok: false; message: string }

/** The message is for people. The source is imported as it is, too, beside `out`, for as long as it is scored: 4 bytes a weight for F32, F16 and BF16. */
export async function quantiseModel(options: QuantiseOptions): Promise<Result> {
  return intoNewFolder(options.out, async (work) => {
    const opened = await weightsOf(options.source, options.onProgress)
    if (!opened.ok) return opened
    try {
      return await quantiseInto(work, opened.weights, options)
    } finally {
      await opened.weights.source.file.close()
    }
  })
}

async function quantiseInto(work: string, weights: Weights, options: QuantiseOptions): Promise<Result> {
  const { bits, text, threads, onProgress } = options
  const { source, weightsSha256 } = weights
  const name = options.name ?? `${weights.name}-int${bits}`.slice(-100)
  const fault = modelNameFault(name)
  if (fault !== null) return { ok: false, message: fault }

  const write = async (from: ModelSource, folder: string, sha256: string, phase: ModelProgress['phase']) => {
    const onShare = (done: number) => onProgress({ phase, detail: name, done, total: 1 })
    return importModel(from, { folder, name, weightsSha256: sha256, onProgress: onShare })
  }
  const score = async (folder: string, detail: string) => {
    const measured = await measurePerplexity(folder, text, threads, (done, total) =>
      onProgress({ phase: 'scoring', detail, done, total }),
    )
    return measured && { ...measured, bytes: weightsBytes(folder) }
  }

  const beforeFolder = join(work, 'before')
  await mkdir(beforeFolder)
  const imported = await write(source, beforeFolder, weightsSha256, 'importing')
  if (!imported.ok) return imported
  const before = await score(beforeFolder, 'the source')
  await rm(beforeFolder, { recursive: true })
  if (!before) return { ok: false, message: 'The text has fewer than two tokens, so there is nothing to score.' }

  const { file, rounded } = quantisedFile(source.file, bits)
  const digest = createHash('sha256').update(`${weightsSha256} int${bits} ${QUANTISER_VERSION}`).digest('hex')
  const written = await write({ ...source, file }, work, digest, 'quantising')
  if (!written.ok) return written
  const after = await score(work, name)
  if (!after) throw new Error('the text was scored a moment ago')
  return {
    ok: true,
    report: {
      model: name,
      bits,
      matrices: rounded,
      sourceWasQuantised: rounded.some(({ from }) => GGML_TYPES[from].kind === 'blocks'),
      weightsBytes: { before: before.bytes, after: after.bytes },
      perplexity: {
        before: before.perplexity,
        after: after.perplexity,
        relativeChange: after.perplexity / before.perplexity - 1,
      },
      text: { tokens: after.tokens, scored: after.scored, windowTokens: after.windowTokens },
    },
  }
}
