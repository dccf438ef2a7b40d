/** Text to the token ids of an embedding model, special tokens at both ends included, from its tokenizer.json. */
import { readFileSync } from 'node:fs'
import { Tokenizer } from '@huggingface/tokenizers'

export type EmbeddingTokenizer = {
  /**
   * @param tokensMax beyond it the end of the text is left out, as Hugging Face's truncation does: the special tokens at both ends stay;
   * null for the whole text
   */
  encode(text: string, tokensMax: number | null): Int32Array
}

/** @throws Error when the file is no tokenizer */
export function loadEmbeddingTokenizer(file: string): EmbeddingTokenizer {
  const tokenizer = new Tokenizer(JSON.parse(readFileSync(file, 'utf8')), {})
  const idsOf = (text: string) => tokenizer.encode(text).ids
  // What the tokenizer puts around a text: [CLS] and [SEP].
  const around = idsOf('')
  const first = idsOf('a').findIndex((id, at) => id !== around[at])
  const closing = around.slice(first)
  return {
    encode(text, tokensMax) {
      const ids = idsOf(text)
      if (tokensMax === null || ids.length <= tokensMax) return Int32Array.from(ids)
      return Int32Array.from([...ids.slice(0, tokensMax - closing.length), ...closing])
    },
  }
}
