/** The model store's one entry: whatever has been done already, afterwards the imported model lies in a folder. */
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { importGguf } from '../import/import-gguf.ts'
import { cacheDirectory } from './cache-directory.ts'
import { CATALOGUE, type CatalogueEntry, DEFAULT_MODEL } from './catalogue.ts'
import { fetchWeights } from './fetch-weights.ts'
import { sha256OfFile } from './file-digest.ts'
import { withFileLock } from './file-lock.ts'
import { CONFIG_FILE, IMPORTER_VERSION, type ModelConfig, modelConfigSchema } from './model-config.ts'
import type { OnProgress } from './model-progress.ts'
import { unreachableMessage } from './unreachable-message.ts'

/** Names become parts of paths and values of `model` in the API. */
const MODEL_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/

export type EnsureModelOptions = {
  /** A name of the catalogue; with `path` alone, what the model is called (its file name otherwise). The default model if neither is given. */
  name?: string | undefined
  /** A GGUF file. Together with a name of the catalogue it must be that model's file. It is read, never changed or deleted. */
  path?: string | undefined
  /** See cacheDirectory; taken from `env` if not given. */
  cacheDir?: string | undefined
  onProgress?: OnProgress | undefined
  fetch?: typeof fetch | undefined
  env?: Record<string, string | undefined> | undefined
  catalogue?: readonly CatalogueEntry[] | undefined
  /** Python interpreters to try for pip, in order. */
  pythons?: readonly string[] | undefined
}

export type EnsureModelResult =
  | { ok: true; folder: string; config: ModelConfig }
  | {
      ok: false
      code: 'unknown_model' | 'file_unusable' | 'wrong_file' | 'unreachable'
      /** For people: what is wrong and what to do next; may have several lines. */
      message: string
    }

/**
 * Fetches the weights and imports them, as far as that has not been done. Safe to call from several processes at once.
 * Rejects only for broken ground (no space, no permission in the cache).
 */
export async function ensureModel(options: EnsureModelOptions): Promise<EnsureModelResult> {
  const env = options.env ?? process.env
  const cacheDir = resolve(options.cacheDir ?? cacheDirectory(env))
  const onProgress = options.onProgress ?? (() => {})
  const name = options.name ?? (options.path === undefined ? DEFAULT_MODEL : nameOfFile(options.path))
  const catalogue = options.catalogue ?? CATALOGUE
  const entry = catalogue.find((known) => known.name === name)
  if (!MODEL_NAME.test(name)) {
    const message = `${name} is no name for a model: letters, digits, dots, underscores and hyphens are allowed, 100 at most.`
    return { ok: false, code: 'unknown_model', message }
  }
  if (options.path !== undefined) return ensureFile({ name, path: resolve(options.path), entry, cacheDir, onProgress })
  if (!entry) {
    const names = catalogue.map((known) => known.name).join(', ')
    return {
      ok: false,
      code: 'unknown_model',
      message: `There is no model named ${name}. Known by name: ${names}. Any other llama model can be given as a GGUF file.`,
    }
  }
  const folder = importedFolder(cacheDir, name, entry.sha256)
  const known = await readImported(folder)
  if (known) return { ok: true, folder, config: known }
  const weights = await fetchWeights({
    entry,
    cacheDir,
    onProgress,
    fetch: options.fetch ?? fetch,
    env,
    pythons: options.pythons,
  })
  if (!weights.ok)
    return { ok: false, code: 'unreachable', message: unreachableMessage(name, entry, weights.tried, 'it') }
  return importOnce({ name, path: weights.path, sha256: entry.sha256, folder, onProgress })
}

async function ensureFile(options: {
  name: string
  path: string
  entry: CatalogueEntry | undefined
  cacheDir: string
  onProgress: OnProgress
}): Promise<EnsureModelResult> {
  const { name, path, entry, cacheDir, onProgress } = options
  const found = await stat(path).catch(() => null)
  if (!found?.isFile()) return { ok: false, code: 'file_unusable', message: `There is no file ${path}.` }
  let sha256: string
  try {
    sha256 = await sha256OfFile(path, (done) =>
      onProgress({ phase: 'verifying', detail: path, done, total: found.size }),
    )
  } catch (error) {
    return { ok: false, code: 'file_unusable', message: error instanceof Error ? error.message : String(error) }
  }
  if (entry && entry.sha256 !== sha256) {
    const message = `${path} is not the file of ${name}: its SHA-256 is ${sha256} and not ${entry.sha256}. Give it another name to use it as it is.`
    return { ok: false, code: 'wrong_file', message }
  }
  const folder = importedFolder(cacheDir, name, sha256)
  const known = await readImported(folder)
  if (known) return { ok: true, folder, config: known }
  return importOnce({ name, path, sha256, folder, onProgress })
}

/** Imports into a folder of its own and renames it, so that a folder under its final name is always whole. */
async function importOnce(options: {
  name: string
  path: string
  sha256: string
  folder: string
  onProgress: OnProgress
}): Promise<EnsureModelResult> {
  const { name, path, sha256, folder, onProgress } = options
  const parent = resolve(folder, '..')
  await mkdir(parent, { recursive: true })
  return withFileLock(
    `${folder}.lock`,
    async () => {
      const known = await readImported(folder)
      if (known) return { ok: true, folder, config: known }
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
        return { ok: false, code: 'file_unusable', message: result.message }
      }
      // A folder that is there but not whole was damaged by hand: it is replaced.
      await rm(folder, { recursive: true, force: true })
      await rename(work, folder)
      return { ok: true, folder, config: result.config }
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

/** Where an imported model lies; it holds a whole model or does not exist. */
export function importedFolder(cacheDir: string, name: string, sha256: string): string {
  return join(cacheDir, 'imported', `${name}-${sha256.slice(0, 12)}-importer${IMPORTER_VERSION}`)
}

async function readImported(folder: string): Promise<ModelConfig | null> {
  const text = await readFile(join(folder, CONFIG_FILE), 'utf8').catch(() => null)
  if (text === null) return null
  try {
    const parsed = modelConfigSchema.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}

/** A name that is safe in paths and in the API. */
export function nameOfFile(path: string): string {
  const name = basename(path)
    .replace(/\.gguf$/i, '')
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 100)
  return name || 'model'
}
