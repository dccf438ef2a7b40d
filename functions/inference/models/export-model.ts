/** `npm run models -- export`: a Hugging Face folder becomes a folder that the engine serves. */
import { basename, resolve } from 'node:path'
import { importModel } from '../import/import-model.ts'
import { openHuggingFaceModel } from './hugging-face-model.ts'
import type { ModelConfig } from './model-config.ts'
import type { OnProgress } from './model-progress.ts'
import { modelNameFault, nameOfFile } from './model-target.ts'
import { intoNewFolder } from './new-folder.ts'

export type ExportOptions = {
  folder: string
  out: string
  /** What the model is called in the API; the folder's name if not given. */
  name?: string | undefined
  onProgress: OnProgress
}

/** The message is for people. Rejects only for broken ground, such as a full disk. */
export async function exportModel(
  options: ExportOptions,
): Promise<{ ok: true; config: ModelConfig } | { ok: false; message: string }> {
  const { folder, out, onProgress } = options
  const name = options.name ?? nameOfFile(basename(resolve(folder)))
  const fault = modelNameFault(name)
  if (fault !== null) return { ok: false, message: fault }
  return intoNewFolder(out, async (work) => {
    const opened = await openHuggingFaceModel(folder, onProgress)
    if (!opened.ok) return opened
    const { source, weightsSha256 } = opened
    try {
      const onShare = (done: number) => onProgress({ phase: 'exporting', detail: name, done, total: 1 })
      return await importModel(source, { folder: work, name, weightsSha256, onProgress: onShare })
    } finally {
      await source.file.close()
    }
  })
}
