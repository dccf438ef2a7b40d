/** The same as ensure-model.ts for embedding models, whose graph is used as it is: fetched, verified, and laid into a folder. */
import { constants, existsSync } from 'node:fs'
import { chmod, copyFile, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { cacheDirectory } from './cache-directory.ts'
import type { WeightFile } from './catalogue.ts'
import { EMBEDDING_CATALOGUE, type EmbeddingEntry } from './embedding-catalogue.ts'
import { fetchWeights } from './fetch-weights.ts'
import { sha256OfFile } from './file-digest.ts'
import { withFileLock } from './file-lock.ts'
import { removeLeftovers } from './import-once.ts'
import { GRAPH_FILE, TOKENIZER_FILE } from './model-config.ts'
import type { OnProgress } from './model-progress.ts'
import { unreachableMessage } from './unreachable-message.ts'

export type EnsureEmbeddingOptions = {
  name: string
  /** A folder that holds the entry's files as model.onnx and tokenizer.json, instead of the network. It is read, never changed. */
  path?: string | undefined
  cacheDir?: string | undefined
  onProgress?: OnProgress | undefined
  fetch?: typeof fetch | undefined
  env?: Record<string, string | undefined> | undefined
  catalogue?: readonly EmbeddingEntry[] | undefined
  pythons?: readonly string[] | undefined
}

export type EnsureEmbeddingResult =
  | { ok: true; name: string; folder: string }
  | { ok: false; code: 'unknown_model' | 'wrong_file' | 'unreachable'; message: string }

/** Raise when another layout is written for the same files. */
const LAYOUT_VERSION = 1

/** Where the model's folder lies; it holds a whole model or does not exist. */
export function embeddingFolder(cacheDir: string, { name, graph }: EmbeddingEntry): string {
  return join(cacheDir, 'imported', `${name}-${graph.sha256.slice(0, 12)}-embedding${LAYOUT_VERSION}`)
}

/** Null for a name that the catalogue does not have. */
export function embeddingEntry(name: string, catalogue = EMBEDDING_CATALOGUE): EmbeddingEntry | null {
  return catalogue.find((known) => known.name === name) ?? null
}

/** Safe to call from several processes at once. Rejects only for broken ground (no space, no permission in the cache). */
export async function ensureEmbeddingModel(options: EnsureEmbeddingOptions): Promise<EnsureEmbeddingResult> {
  const { name } = options
  const env = options.env ?? process.env
  const cacheDir = resolve(options.cacheDir ?? cacheDirectory(env))
  const onProgress = options.onProgress ?? (() => {})
  const entry = embeddingEntry(name, options.catalogue)
  if (!entry) return { ok: false, code: 'unknown_model', message: `There is no embedding model named ${name}.` }
  const folder = embeddingFolder(cacheDir, entry)
  if (existsSync(folder)) return { ok: true, name, folder }

  const paths: string[] = []
  for (const [called, file] of [
    [GRAPH_FILE, entry.graph],
    [TOKENIZER_FILE, entry.tokenizer],
  ] as const) {
    if (options.path !== undefined) {
      const path = join(resolve(options.path), called)
      const sha256 = await sha256OfFile(path).catch(() => null)
      if (sha256 !== file.sha256) return { ok: false, code: 'wrong_file', message: wrongFile(path, name, file, sha256) }
      paths.push(path)
      continue
    }
    const { fetch: fetching = fetch, pythons } = options
    const weights = await fetchWeights({ entry: file, cacheDir, onProgress, fetch: fetching, env, pythons })
    if (!weights.ok) {
      const files = `a folder that holds it as ${called}, beside the other of ${GRAPH_FILE} and ${TOKENIZER_FILE}`
      const message = unreachableMessage(name, file, weights.tried, files)
      return { ok: false, code: 'unreachable', message }
    }
    paths.push(weights.path)
  }
  const [graph = '', tokenizer = ''] = paths
  await mkdir(dirname(folder), { recursive: true })
  await withFileLock(
    `${folder}.lock`,
    () => layOut({ folder, graph, tokenizer, entry }),
    (pid) => onProgress({ phase: 'waiting', detail: `process ${pid} is laying out ${name}`, done: 0, total: 0 }),
  )
  return { ok: true, name, folder }
}

/** Into a folder of its own that is renamed, so that a folder under its final name is always whole. */
async function layOut(parts: { folder: string; graph: string; tokenizer: string; entry: EmbeddingEntry }) {
  const { folder, graph, tokenizer, entry } = parts
  if (existsSync(folder)) return
  await removeLeftovers(dirname(folder), folder)
  const work = await mkdtemp(`${folder}.tmp-`)
  // mkdtemp makes it private; a model baked into an image is read by another user.
  await chmod(work, 0o755)
  try {
    await copyFile(graph, join(work, GRAPH_FILE), constants.COPYFILE_FICLONE)
    await copyFile(tokenizer, join(work, TOKENIZER_FILE), constants.COPYFILE_FICLONE)
    for (const [file, config] of Object.entries(entry.configs)) {
      await writeFile(join(work, file), `${JSON.stringify(config, null, 2)}\n`)
    }
    await rename(work, folder)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** @param sha256 null for a file that cannot be read */
function wrongFile(path: string, name: string, file: WeightFile, sha256: string | null): string {
  if (sha256 === null) return `There is no file ${path}.`
  return `${path} is not the file of ${name}: its SHA-256 is ${sha256} and not ${file.sha256}.`
}
