/** A GGUF file as a source of the importer. */
import { readDecoderShape } from './decoder-shape.ts'
import { GgufError } from './gguf-cursor.ts'
import { openGguf } from './gguf-file.ts'
import { type Imported, importModel, type ModelOutput, type ModelSource } from './import-model.ts'
import { specialTokens, tokenizerJson } from './tokenizer-json.ts'

/** The message is for people. Who has the source closes its file. */
export async function openGgufModel(
  path: string,
): Promise<{ ok: true; source: ModelSource } | { ok: false; message: string }> {
  const opened = await openGguf(path)
  if (!opened.ok) return opened
  const { file } = opened
  try {
    // What it is comes before what its tokenizer lacks.
    const { vocabSize } = readDecoderShape(file)
    return { ok: true, source: { file, tokenizer: tokenizerJson(file), special: specialTokens(file, vocabSize) } }
  } catch (error) {
    await file.close()
    if (!(error instanceof GgufError)) throw error
    return { ok: false, message: `${path} cannot be imported: ${error.message}` }
  }
}

/** A file that cannot be imported is a value with a sentence for people; only a full disk and the like throw. */
export async function importGguf({ ggufPath, ...output }: ModelOutput & { ggufPath: string }): Promise<Imported> {
  const opened = await openGgufModel(ggufPath)
  if (!opened.ok) return opened
  try {
    return await importModel(opened.source, output)
  } finally {
    await opened.source.file.close()
  }
}
