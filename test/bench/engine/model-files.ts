/** The default model in both forms: the GGUF that llama.cpp reads, and the folder that our importer made of the same file. */
import { cacheDirectory } from '../../../functions/inference/models/cache-directory.ts'
import { CATALOGUE, DEFAULT_MODEL } from '../../../functions/inference/models/catalogue.ts'
import { ensureModel } from '../../../functions/inference/models/ensure-model.ts'
import { fetchWeights } from '../../../functions/inference/models/fetch-weights.ts'
import { identifyModel } from '../../../functions/inference/models/model-target.ts'

export type ModelFiles = { name: string; sha256: string; ggufPath: string; modelFolder: string }

/** Fetches and imports what is missing. Throws with what was tried when the weights cannot be had. */
export async function modelFiles(): Promise<ModelFiles> {
  const ensured = await ensureModel({ name: DEFAULT_MODEL })
  if (!ensured.ok) throw new Error(ensured.message)
  const names = { name: DEFAULT_MODEL, hub: undefined, path: undefined }
  const identified = identifyModel(names, CATALOGUE, DEFAULT_MODEL)
  const exact = identified.ok ? identified.target?.exact : null
  if (!exact) throw new Error(`${DEFAULT_MODEL} is not in the catalogue.`)
  const cacheDir = cacheDirectory(process.env)
  const weights = await fetchWeights({ entry: exact, cacheDir, onProgress: () => {}, fetch, env: process.env })
  if (!weights.ok)
    throw new Error(`The GGUF of ${DEFAULT_MODEL} is gone from the cache and could not be fetched again.`)
  return { name: DEFAULT_MODEL, sha256: exact.sha256, ggufPath: weights.path, modelFolder: ensured.folder }
}
