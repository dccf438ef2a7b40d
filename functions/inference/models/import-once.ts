/** The folders of imported models: each holds a whole model or does not exist, however many processes are at it. */
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { importGguf } from '../import/import-gguf.ts'
import { withFileLock } from './file-lock.ts'
import { CONFIG_FILE, IMPORTER_VERSION, type ModelConfig, modelConfigSchema } from './model-config.ts'
import type { OnProgress } from './model-progress.ts'

export function importedFolder(cacheDir: string, name: string, sha256: string): string {
  return join(cacheDir, 'imported', `${name}-${sha256.slice(0, 12)}-importer${IMPORTER_VERSION}`)
}

/** Null where there is none, or what is there is not whole. */
export async function readImported(folder: string): Promise<ModelConfig | null> {
  const text = await readFile(join(folder, CONFIG_FILE), 'utf8').catch(() => null)
  if (text === null) return null
  try {
    const parsed = modelConfigSchema.safeParse(JSON.parse(text))
    return parsed.success && (await isWhole(folder, parsed.data)) ? parsed.data : null
  } catch {
    return null
  }
}

/** A file that is shorter or longer than it was written makes ONNX Runtime fail with a riddle, and the server with it at every start. */
async function isWhole(folder: string, { fileBytes }: ModelConfig): Promise<boolean> {
  const sizes = await Promise.all(
    Object.keys(fileBytes).map((name) =>
      stat(join(folder, name)).then(
        ({ size }) => size === fileBytes[name],
        () => false,
      ),
    ),
  )
  return sizes.every(Boolean)
}

export type ImportOnceOptions = {
  name: string
  /** The GGUF file. */
  path: string
  sha256: string
  folder: string
  onProgress: OnProgress
}

/** Imports into a folder of its own and renames it, so that a folder under its final name is always whole. The message is for people. */
export async function importOnce(
  options: ImportOnceOptions,
): Promise<{ ok: true; config: ModelConfig } | { ok: false; message: string }> {
  const { name, path, sha256, folder, onProgress } = options
  const parent = resolve(folder, '..')
  await mkdir(parent, { recursive: true })
  return withFileLock(
    `${folder}.lock`,
    async () => {
      const known = await readImported(folder)
      if (known) return { ok: true, config: known }
      await removeLeftovers(parent, folder)
      const work = await mkdtemp(`${folder}.tmp-`)
      // mkdtemp makes it private; a model baked into an image is read by another user.
      await chmod(work, 0o755)
      const result = await importGguf({
        ggufPath: path,
        folder: work,
        name,
        weightsSha256: sha256,
        onProgress: (done) => onProgress({ phase: 'importing', detail: name, done, total: 1 }),
      })
      if (!result.ok) {
        await rm(work, { recursive: true, force: true })
        return result
      }
      // A folder that is there but not whole was damaged by hand: it is replaced.
      await rm(folder, { recursive: true, force: true })
      await rename(work, folder)
      return result
    },
    (pid) => onProgress({ phase: 'waiting', detail: `process ${pid} is importing ${name}`, done: 0, total: 0 }),
  )
}

/** Work of processes that died: under the lock nobody else is at this folder. */
export async function removeLeftovers(parent: string, folder: string): Promise<void> {
  const prefix = `${basename(folder)}.tmp-`
  for (const file of await readdir(parent)) {
    if (file.startsWith(prefix)) await rm(join(parent, file), { recursive: true, force: true })
  }
}
