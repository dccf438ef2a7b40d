/** The model store's one entry: whatever has been done already, afterwards the imported model lies in a folder. */
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { cacheDirectory } from './cache-directory.ts'
import { CATALOGUE, type CatalogueEntry, DEFAULT_MODEL } from './catalogue.ts'
import { fetchWeights } from './fetch-weights.ts'
import { sha256OfFile } from './file-digest.ts'
import { hubAccess } from './hub-request.ts'
import { importedFolder, importOnce, readImported } from './import-once.ts'
import type { ModelConfig } from './model-config.ts'
import type { OnProgress } from './model-progress.ts'
import { identifyModel, type ModelTarget } from './model-target.ts'
import { pinnedWeights, readPin, writePin } from './pinned-weights.ts'
import { unreachableMessage } from './unreachable-message.ts'
import type { Tried } from './weight-source.ts'

export type EnsureModelOptions = {
  /** A name of the catalogue; with `path` or `hub`, what the model is called (its file name otherwise). The default model if nothing is given. */
  name?: string | undefined
  /** hf:OWNER/REPO/FILE.gguf[@REVISION]. */
  hub?: string | undefined
  /**
   * A GGUF file, or a folder that `models -- export` wrote, which is served as it is, under its own name. A file together with `hub` or a name of
   * the catalogue must be that model's. It is read, never changed or deleted.
   */
  path?: string | undefined
  /** Takes what the Hub has now, or the file that is given, in place of what was pinned when the model was first fetched. */
  acceptChanged?: boolean | undefined
  /** See cacheDirectory; taken from `env` if not given. */
  cacheDir?: string | undefined
  onProgress?: OnProgress | undefined
  fetch?: typeof fetch | undefined
  env?: Record<string, string | undefined> | undefined
  catalogue?: readonly CatalogueEntry[] | undefined
  /** Python interpreters to try for pip, in order. */
  pythons?: readonly string[] | undefined
}

export type EnsureModelResult = { ok: true; folder: string; config: ModelConfig } | EnsureModelFailure

export type EnsureModelFailure = {
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
  const acceptChanged = options.acceptChanged === true
  const catalogue = options.catalogue ?? CATALOGUE
  const { hub, path } = options
  if (path !== undefined && (await isFolder(path))) return ensureFolder(resolve(path))
  const identified = identifyModel({ name: options.name, hub, path }, catalogue, DEFAULT_MODEL)
  if (!identified.ok) return { ok: false, code: 'unknown_model', message: identified.message }
  const { name, target } = identified
  if (path !== undefined) {
    return ensureFile({ name, path: resolve(path), target, cacheDir, acceptChanged, onProgress })
  }
  if (!target) {
    const names = catalogue.map((known) => known.name).join(', ')
    const others = 'Any other model can be given as a GGUF file, or as hf:OWNER/REPO/FILE.gguf.'
    const message = `There is no model named ${name}. Known by name: ${names}. ${others}`
    return { ok: false, code: 'unknown_model', message }
  }
  const fetchOf = options.fetch ?? fetch
  const known = target.exact
    ? { ok: true as const, weights: target.exact }
    : await pinnedWeights({ ...hubAccess(env), hub: target.hub, cacheDir, fetch: fetchOf, acceptChanged })
  if (!known.ok) return unreachable(target, [known.tried])
  const { weights: entry } = known
  const folder = importedFolder(cacheDir, name, entry.sha256)
  const config = await readImported(folder)
  if (config) return { ok: true, folder, config }
  const { pythons } = options
  const fetched = await fetchWeights({ entry, cacheDir, onProgress, fetch: fetchOf, env, pythons })
  if (!fetched.ok) return unreachable(target, fetched.tried)
  return imported({ name, path: fetched.path, sha256: entry.sha256, folder, onProgress })
}

const isFolder = async (path: string) => (await stat(path).catch(() => null))?.isDirectory() === true

async function ensureFolder(folder: string): Promise<EnsureModelResult> {
  const config = await readImported(folder)
  if (config) return { ok: true, folder, config }
  const remedy = `A folder of Hugging Face's is exported first: npm run models -- export ${folder} --out DIR`
  const message = `${folder} holds no whole model of this importer. ${remedy}`
  return { ok: false, code: 'file_unusable', message }
}

async function ensureFile(options: {
  name: string
  path: string
  target: ModelTarget | null
  cacheDir: string
  acceptChanged: boolean
  onProgress: OnProgress
}): Promise<EnsureModelResult> {
  const { name, path, target, cacheDir, acceptChanged, onProgress } = options
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
  const pin = target && !target.exact && !acceptChanged ? await readPin(cacheDir, target.hub) : null
  const wanted = target?.exact?.sha256 ?? pin?.sha256
  if (wanted !== undefined && wanted !== sha256) {
    const remedy = pin ? 'With --accept-changed it takes its place.' : 'Give it another name to use it as it is.'
    const message = `${path} is not the file of ${name}: its SHA-256 is ${sha256} and not ${wanted}. ${remedy}`
    return { ok: false, code: 'wrong_file', message }
  }
  const result = await imported({
    ...{ name, path, sha256, onProgress },
    folder: importedFolder(cacheDir, name, sha256),
  })
  // Only what could be imported is worth holding on to.
  if (result.ok && target && !target.exact && !pin) {
    await writePin(cacheDir, target.hub, { sha256, byteLength: found.size, commit: null })
  }
  return result
}

async function imported(options: Parameters<typeof importOnce>[0]): Promise<EnsureModelResult> {
  const { folder } = options
  const known = await readImported(folder)
  if (known) return { ok: true, folder, config: known }
  const result = await importOnce(options)
  return result.ok ? { ok: true, folder, config: result.config } : { ...result, code: 'file_unusable' }
}

export function unreachable({ word, hub, exact }: ModelTarget, tried: readonly Tried[]): EnsureModelFailure {
  const message = unreachableMessage(word, exact ?? { file: hub.path, hub }, tried, 'it')
  const remedy =
    'If the Hub has replaced the file and you want what it has now: --accept-changed in place of --file PATH'
  return { ok: false, code: 'unreachable', message: exact ? message : `${message}\n${remedy}` }
}
