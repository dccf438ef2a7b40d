/** A source of weights and its tokenizer in, folder for the engine out: graph, weights, tokenizer, description. */
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
import type { GgufFile } from './gguf-file.ts'
import type { AccuracyLevel } from './linear-layer.ts'
import type { SpecialTokens } from './tokenizer-json.ts'

/** A GGUF file, or what looks like one (hugging-face-tensors.ts, quantised-file.ts). */
export type ModelSource = {
  file: GgufFile
  /** The object of tokenizer.json. */
  tokenizer: object
  special: SpecialTokens
}

export type ModelOutput = {
  /** Exists and is empty. After a failure it holds rubbish: the caller removes it. */
  folder: string
  /** What the model is called in the API. */
  name: string
  /** Of the file that the weights came from, lower-case hexadecimal. */
  weightsSha256: string
  /** 4 if not given. */
  accuracyLevel?: AccuracyLevel
  /** Share of the weights that is written, 0 to 1. */
  onProgress?: (share: number) => void
}

export type Imported = { ok: true; config: ModelConfig } | { ok: false; message: string }

/** A source that cannot be imported is a value with a sentence for people; only a full disk and the like throw. It is not closed. */
export async function importModel(source: ModelSource, output: ModelOutput): Promise<Imported> {
  const { file, tokenizer, special } = source
  try {
    const shape = readDecoderShape(file)
    const { architecture, layers, hiddenSize, heads, kvHeads, headDim, vocabSize, contextLength } = shape
    const graph = await buildDecoderGraph(file, shape, output.accuracyLevel ?? 4)
    await graph.finish(output.folder, `perigee importer ${IMPORTER_VERSION}`, output.onProgress ?? (() => {}))
    await writeDurably(join(output.folder, TOKENIZER_FILE), JSON.stringify(tokenizer))
    const config: ModelConfig = {
      importerVersion: IMPORTER_VERSION,
      name: output.name,
      architecture,
      layers,
      hiddenSize,
      heads,
      kvHeads,
      headDim,
      vocabSize,
      contextLength,
      ...special,
      weightsSha256: output.weightsSha256,
      fileBytes: await bytesOf(output.folder, [GRAPH_FILE, WEIGHTS_FILE, TOKENIZER_FILE]),
    }
    await writeDurably(join(output.folder, CONFIG_FILE), `${JSON.stringify(config, null, 2)}\n`)
    return { ok: true, config }
  } catch (error) {
    if (!(error instanceof GgufError)) throw error
    return { ok: false, message: `${file.path} cannot be imported: ${error.message}` }
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
