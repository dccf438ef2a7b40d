/** A Hugging Face folder (config.json, safetensors in one file or several, tokenizer.json) as a source that the importer reads. */
import { createHash } from 'node:crypto'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import * as z from 'zod/mini'
import { readJsonObject } from './bounded-json.ts'
import { GgufError } from './gguf-cursor.ts'
import { readHuggingFaceConfig } from './hugging-face-config.ts'
import { huggingFaceTensors, type Located } from './hugging-face-tensors.ts'
import { readHuggingFaceTokenizer } from './hugging-face-tokenizer.ts'
import type { ModelSource } from './import-model.ts'
import { readSafetensorsTable } from './safetensors-table.ts'

const CONFIG_BYTES_MAX = 1_048_576
const INDEX_BYTES_MAX = 16 * 1_048_576
/** The largest published models have about 200. */
const SHARDS_MAX = 1_024

const WHOLE = 'model.safetensors'
const INDEX = 'model.safetensors.index.json'

const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string()) })

export type OpenedFolder = ModelSource & {
  /** Paths of the safetensors files, in order: what the weights' digest is of. */
  weightFiles: string[]
}

/** The message is for people. @throws only for broken ground, such as a folder that may not be read */
export async function openHuggingFaceFolder(
  folder: string,
): Promise<{ ok: true; source: OpenedFolder } | { ok: false; message: string }> {
  const handles: FileHandle[] = []
  const close = async () => {
    for (const handle of handles) await handle.close()
  }
  try {
    const found = await stat(folder).catch(() => null)
    if (!found?.isDirectory()) return { ok: false, message: `There is no folder ${folder}.` }
    const json = await readJsonObject(join(folder, 'config.json'), CONFIG_BYTES_MAX)
    if (!json) throw new GgufError('it has no config.json')
    if ('importerVersion' in json) {
      throw new GgufError('it is what an import, export or quantize wrote; give the model that it was made from')
    }
    const config = readHuggingFaceConfig(json)
    const names = await shards(folder)
    const stored = new Map<string, Located>()
    for (const name of names) {
      const handle = await openShard(folder, name)
      handles.push(handle)
      for (const [tensor, info] of await tableOf(handle, name)) {
        if (stored.has(tensor)) throw new GgufError(`its tensor ${tensor} occurs in two files`)
        stored.set(tensor, { ...info, handle })
      }
    }
    const { json: tokenizer, special } = await readHuggingFaceTokenizer(folder, json, config.vocabSize)
    const file = huggingFaceTensors(folder, config, stored, close)
    return { ok: true, source: { file, tokenizer, special, weightFiles: names.map((name) => join(folder, name)) } }
  } catch (error) {
    await close()
    if (!(error instanceof GgufError)) throw error
    return { ok: false, message: `${folder} cannot be exported: ${error.message}` }
  }
}

/** Names of the safetensors files. An index may not point out of the folder. */
async function shards(folder: string): Promise<string[]> {
  if (await stat(join(folder, WHOLE)).catch(() => null)) return [WHOLE]
  const index = await readJsonObject(join(folder, INDEX), INDEX_BYTES_MAX)
  if (!index) throw new GgufError(`it has neither ${WHOLE} nor ${INDEX}`)
  const parsed = indexSchema.safeParse(index)
  if (!parsed.success) throw new GgufError(`its ${INDEX} has no weight_map of names`)
  const names = [...new Set(Object.values(parsed.data.weight_map))].sort()
  const strange = names.find((name) => name !== basename(name) || !name.endsWith('.safetensors'))
  if (strange !== undefined)
    throw new GgufError(`its ${INDEX} names ${strange}, which is no safetensors file beside it`)
  if (names.length === 0 || names.length > SHARDS_MAX)
    throw new GgufError(`its ${INDEX} names ${names.length} files, and from 1 to ${SHARDS_MAX} are read`)
  return names
}

async function openShard(folder: string, name: string): Promise<FileHandle> {
  return open(join(folder, name), 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw new GgufError(`its file ${name} is missing`)
    throw error
  })
}

async function tableOf(handle: FileHandle, name: string) {
  try {
    return await readSafetensorsTable(handle)
  } catch (error) {
    throw error instanceof GgufError ? new GgufError(`its file ${name}: ${error.message}`) : error
  }
}

/** One digest of several: of one file it is that file's own. */
export function digestOfAll(digests: readonly string[]): string {
  const [only] = digests
  if (digests.length === 1 && only !== undefined) return only
  return createHash('sha256').update(digests.join('\n')).digest('hex')
}
