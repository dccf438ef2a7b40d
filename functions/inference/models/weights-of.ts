/** Weights to work on, by one word: a folder of Hugging Face's, a GGUF file, a name of the catalogue, or a file of the Hub. */
import { stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { openGgufModel } from '../import/import-gguf.ts'
import type { ModelSource } from '../import/import-model.ts'
import { cacheDirectory } from './cache-directory.ts'
import { CATALOGUE, DEFAULT_MODEL } from './catalogue.ts'
import { unreachable } from './ensure-model.ts'
import { fetchWeights } from './fetch-weights.ts'
import { sha256OfFile } from './file-digest.ts'
import { hubAccess } from './hub-request.ts'
import { openHuggingFaceModel } from './hugging-face-model.ts'
import type { OnProgress } from './model-progress.ts'
import { modelSource } from './model-source.ts'
import { identifyModel, nameOfFile } from './model-target.ts'
import { pinnedWeights } from './pinned-weights.ts'

export type Weights = { name: string; source: ModelSource; weightsSha256: string }
type Failure = { ok: false; message: string }

/** Who has the source closes its file. The message is for people. */
export async function weightsOf(
  word: string,
  onProgress: OnProgress,
): Promise<{ ok: true; weights: Weights } | Failure> {
  const given = modelSource(word)
  if (!('path' in given)) {
    const fetched = await knownWeights(given, onProgress)
    return fetched.ok ? openFile(fetched.path, fetched.name, fetched.sha256) : fetched
  }
  const path = resolve(given.path)
  const found = await stat(path).catch(() => null)
  if (!found) return { ok: false, message: `There is no file or folder ${path}.` }
  const name = nameOfFile(basename(path))
  if (!found.isDirectory()) {
    const onBytes = (done: number) => onProgress({ phase: 'reading', detail: path, done, total: found.size })
    return openFile(path, name, await sha256OfFile(path, onBytes))
  }
  const opened = await openHuggingFaceModel(path, onProgress)
  return opened.ok ? { ok: true, weights: { ...opened, name } } : opened
}

async function openFile(path: string, name: string, sha256: string): Promise<{ ok: true; weights: Weights } | Failure> {
  const opened = await openGgufModel(path)
  return opened.ok ? { ok: true, weights: { name, source: opened.source, weightsSha256: sha256 } } : opened
}

/** The file itself, which is fetched if it is no longer in the cache. */
async function knownWeights(
  given: { name: string } | { hub: string },
  onProgress: OnProgress,
): Promise<{ ok: true; path: string; name: string; sha256: string } | Failure> {
  const { env } = process
  const cacheDir = resolve(cacheDirectory(env))
  const asked = { name: undefined, hub: undefined, path: undefined, ...given }
  const identified = identifyModel(asked, CATALOGUE, DEFAULT_MODEL)
  if (!identified.ok) return identified
  const { name, target } = identified
  if (!target) return { ok: false, message: `There is no model, file or folder ${name}.` }
  const known = target.exact
    ? { ok: true as const, weights: target.exact }
    : await pinnedWeights({ ...hubAccess(env), hub: target.hub, cacheDir, fetch, acceptChanged: false })
  if (!known.ok) return unreachable(target, [known.tried])
  const fetched = await fetchWeights({ entry: known.weights, cacheDir, onProgress, fetch, env })
  if (!fetched.ok) return unreachable(target, fetched.tried)
  return { ok: true, path: fetched.path, name, sha256: known.weights.sha256 }
}
