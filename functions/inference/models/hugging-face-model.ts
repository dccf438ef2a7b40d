/** A Hugging Face folder opened for export, with the digest of its weights. */
import { digestOfAll, type OpenedFolder, openHuggingFaceFolder } from '../import/hugging-face-folder.ts'
import { sha256OfFiles } from './file-digest.ts'
import type { OnProgress } from './model-progress.ts'

/** Who has the source closes its file. */
export async function openHuggingFaceModel(
  folder: string,
  onProgress: OnProgress,
): Promise<{ ok: true; source: OpenedFolder; weightsSha256: string } | { ok: false; message: string }> {
  const opened = await openHuggingFaceFolder(folder)
  if (!opened.ok) return opened
  const { source } = opened
  try {
    const digests = await sha256OfFiles(source.weightFiles, (done, total) =>
      onProgress({ phase: 'reading', detail: folder, done, total }),
    )
    return { ok: true, source, weightsSha256: digestOfAll(digests) }
  } catch (error) {
    await source.file.close()
    throw error
  }
}
