/** GGUF file in, folder for the engine out: graph, weights, tokenizer, description. */
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  CONFIG_FILE,
  GRAPH_FILE,
  IMPORTER_VERSION,
  type ModelConfig,
  TOKENIZER_FILE,
  WEIGHTS_FILE,
} from '../models/model-config.ts'
import { buildDecoderGraph } from './decoder-graph.ts'
import { readDecoderShape } from './decoder-shape.ts'
import { GgufError } from './gguf-cursor.ts'
import { openGguf } from './gguf-file.ts'
import type { AccuracyLevel } from './linear-layer.ts'
import { specialTokens, tokenizerJson } from './tokenizer-json.ts'

export type ImportOptions = {
  ggufPath: string
  /** Exists and is empty. After a failure it holds rubbish: the caller removes it. */
  folder: string
  /** What the model is called in the API. */
  name: string
  /** Of the whole GGUF file, lower-case hexadecimal. */
  weightsSha256: string
  /** 4 if not given. */
  accuracyLevel?: AccuracyLevel
  /** Share of the weights that is written, 0 to 1. */
  onProgress?: (share: number) => void
}

/** A file that cannot be imported is a value with a sentence for people; only a full disk and the like throw. */
export async function importGguf(
  options: ImportOptions,
): Promise<{ ok: true; config: ModelConfig } | { ok: false; message: string }> {
  const opened = await openGguf(options.ggufPath)
  if (!opened.ok) return opened
  const { file } = opened
  try {
    const shape = readDecoderShape(file)
    const tokenizer = tokenizerJson(file)
    const { architecture, layers, hiddenSize, heads, kvHeads, headDim, vocabSize, contextLength } = shape
    const graph = await buildDecoderGraph(file, shape, options.accuracyLevel ?? 4)
    await graph.finish(options.folder, `perigee importer ${IMPORTER_VERSION}`, options.onProgress ?? (() => {}))
    await writeDurably(join(options.folder, TOKENIZER_FILE), JSON.stringify(tokenizer))
    const config: ModelConfig = {
      importerVersion: IMPORTER_VERSION,
      name: options.name,
      architecture,
      layers,
      hiddenSize,
      heads,
      kvHeads,
      headDim,
      vocabSize,
      contextLength,
      ...specialTokens(file, vocabSize),
      weightsSha256: options.weightsSha256,
      fileBytes: await bytesOf(options.folder, [GRAPH_FILE, WEIGHTS_FILE, TOKENIZER_FILE]),
    }
    await writeDurably(join(options.folder, CONFIG_FILE), `${JSON.stringify(config, null, 2)}\n`)
    return { ok: true, config }
  } catch (error) {
    if (!(error instanceof GgufError)) throw error
    return { ok: false, message: `${options.ggufPath} cannot be imported: ${error.message}` }
  } finally {
    await file.close()
  }
}

/** The folder is renamed into place afterwards: a power cut must not leave a complete name over incomplete bytes. */
async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx')
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function bytesOf(folder: string, names: readonly string[]): Promise<Record<string, number>> {
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, (await stat(join(folder, name))).size] as const)),
  )
}
