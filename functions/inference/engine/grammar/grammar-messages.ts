/** What the engine and its grammar threads say to each other. Every message to a thread but `close` is answered by one with its `id`. */
import type { GrammarSource } from '../../grammar/grammar-source.ts'

export type ToGrammars =
  | { type: 'compile'; id: number; source: GrammarSource }
  /** `tokens`: of the answer so far. `left`: those it may still have. The next mask is written to `mask`. */
  | { type: 'open'; id: number; source: GrammarSource; tokens: number[]; left: number; mask: SharedArrayBuffer }
  | { type: 'accept'; id: number; token: number; left: number }
  | { type: 'close'; id: number }

export type FromGrammars = { id: number; ok: true } | { id: number; ok: false; message: string }

export type GrammarThreadOptions = {
  /** Of tokenizer.json. */
  folder: string
  /** Length of a row of logits. */
  vocabSize: number
  eosTokenIds: number[]
  /** Of compiled grammars that the thread keeps, besides the latest; default KEPT_BYTES_MAX of grammar-compiler.ts. */
  keptBytesMax?: number
}
