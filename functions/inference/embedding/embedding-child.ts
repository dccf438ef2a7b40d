/** The embedding model's own process: encodes texts, and turns token ids into vectors. Started by embedding-engine.ts. */
import type { ThreadOptions } from '../engine/ort-session.ts'
import type { EmbeddingFolder } from '../models/embedding-folder.ts'
import { answerCalls } from '../one-shot/answer-calls.ts'
import { openEmbeddingModel } from './embedding-model.ts'
import { loadEmbeddingTokenizer } from './embedding-tokenizer.ts'

export type EmbeddingChildOptions = ThreadOptions & { folder: EmbeddingFolder }

export type EmbeddingCall =
  /** Answered with one Int32Array per text. */
  | { kind: 'encode'; texts: string[]; tokensMax: number | null }
  /** Answered with a Float32Array [rows, dimensions]. */
  | { kind: 'embed'; rows: ArrayLike<number>[] }

answerCalls<EmbeddingChildOptions, EmbeddingCall>(async ({ folder, ...threads }) => {
  const tokenizer = loadEmbeddingTokenizer(folder.tokenizerFile)
  const model = openEmbeddingModel(folder, threads)
  // The first run allocates: let no caller wait for it.
  await model.embed([tokenizer.encode('A first run.', null)])
  return async (call) => {
    if (call.kind === 'embed') return model.embed(call.rows)
    return call.texts.map((text) => tokenizer.encode(text, call.tokensMax))
  }
})
