/** Text to token ids and back, from a tokenizer.json. Wraps @huggingface/tokenizers; decoding is our own, so that whole answers and streams come out the same. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers'
import * as z from 'zod/mini'
import { TOKENIZER_FILE } from '../models/model-config.ts'
import { type Cutter, createCutter } from './cut-at-specials.ts'
import { createDetokenizer, type Detokenizer } from './detokenize-stream.ts'
import { createShield, SHIELD, type Shield } from './shield-special-tokens.ts'
import { TokenBytes } from './token-bytes.ts'
import { TOOL_CALL_BEGIN, TOOL_CALL_END, TOOL_RESPONSE_BEGIN, TOOL_RESPONSE_END } from './tool-calls.ts'

export type EncodeOptions = { specialTokens: boolean | 'unshielded' }

export type Tokenizer = {
  /**
   * Token ids of a text. `specialTokens`: whether the names of special tokens in the text (`<|im_end|>`) mean those tokens, as they do in a
   * rendered chat template, or are plain text, as they should be where a caller's words must not end a turn; `unshielded`: they do unless
   * `shield` has marked them. Nothing is added at either end.
   */
  encode(text: string, options: EncodeOptions): number[]
  /** Where a text without marks may be cut and encoded piece by piece, unless special tokens are plain text in it. */
  readonly cutter: Cutter
  /** Marks the names of special tokens in a caller's words; see shield-special-tokens.ts. */
  readonly shield: Shield
  /** The text of ids, each within the vocabulary. Special tokens are left out unless asked for. Bytes that are no UTF-8 become U+FFFD. */
  decode(ids: readonly number[], options?: { keepSpecialTokens?: boolean }): string
  /** Decodes ids as they come; see detokenize-stream.ts. */
  stream(options?: { keepSpecialTokens?: boolean }): Detokenizer
  /** What one token stands for, which may be part of a character; empty for an id outside the vocabulary. */
  bytesOf(id: number): Uint8Array
  /** Token ids are 0 to this, exclusive. */
  readonly vocabSize: number
  /**
   * No token stands for more UTF-16 code units than this, so a text longer than `n` times this is certainly more than `n` tokens.
   * Encoding is synchronous and takes up to 14 µs per character of hostile text: callers refuse by this before they encode.
   */
  readonly longestTokenChars: number
}

const tokenizerFileSchema = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.int(), content: z.string(), special: z.boolean() })),
  pre_tokenizer: z.optional(z.nullable(z.looseObject({ type: z.string() }))),
  decoder: z.looseObject({ type: z.literal('ByteLevel') }),
  model: z.looseObject({ type: z.literal('BPE'), vocab: z.record(z.string(), z.int()) }),
})

/** Some vocabularies have tokens for these that are not called special; whoever writes one in a message has written these letters. */
const TOOL_TAGS = new Set([TOOL_CALL_BEGIN, TOOL_CALL_END, TOOL_RESPONSE_BEGIN, TOOL_RESPONSE_END])

/** Reads tokenizer.json of an imported model's folder. Rejects if it is missing or not one that the importer wrote. */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const file: unknown = JSON.parse(await readFile(join(folder, TOKENIZER_FILE), 'utf8'))
  return createTokenizer(file)
}

/** The bytes of its tokens alone, from the parsed file. Throws if it is no byte-level BPE tokenizer. */
export function readTokenBytes(file: unknown): TokenBytes {
  const { added_tokens: added, model } = tokenizerFileSchema.parse(file)
  return new TokenBytes(model.vocab, added)
}

/** The same from the parsed file. Throws if it is no byte-level BPE tokenizer. */
export function createTokenizer(file: unknown): Tokenizer {
  const { added_tokens: added, model, pre_tokenizer: words } = tokenizerFileSchema.parse(file)
  // Decoding never passes the library, whose defaults would remove spaces before punctuation.
  const config = { clean_up_tokenization_spaces: false }
  const withSpecial = new HuggingFaceTokenizer(file as object, config) // The schema has checked that it is an object.
  // Made when they are first needed: each holds the vocabulary once more.
  let plain: HuggingFaceTokenizer | null = null
  let unshielding: HuggingFaceTokenizer | null = null
  const tokenizerFor = (text: string, { specialTokens }: EncodeOptions) => {
    if (specialTokens === false) {
      plain ??= new HuggingFaceTokenizer({ ...(file as object), added_tokens: [] }, config)
      return plain
    }
    if (specialTokens === true || !text.includes(SHIELD)) return withSpecial
    const unshield = { type: 'Replace', pattern: { String: SHIELD }, content: '' }
    const pretokenizers = words ? [unshield, words] : [unshield]
    const changed = { ...(file as object), pre_tokenizer: { type: 'Sequence', pretokenizers } }
    unshielding ??= new HuggingFaceTokenizer(changed, config)
    return unshielding
  }
  const bytes = new TokenBytes(model.vocab, added)

  const decode: Tokenizer['decode'] = (ids, options = {}) => {
    const detokenizer = createDetokenizer(bytes, options)
    let text = ''
    for (const id of ids) text += detokenizer.push(id)
    return text + detokenizer.end()
  }
  return {
    encode(text, options) {
      if (text === '') return []
      return tokenizerFor(text, options).encode(text, { add_special_tokens: false }).ids
    },
    cutter: createCutter(added),
    shield: createShield(
      added.filter(({ special, content }) => special || TOOL_TAGS.has(content)).map(({ content }) => content),
    ),
    decode,
    stream: (options) => createDetokenizer(bytes, options),
    bytesOf: (id) => bytes.of(id),
    vocabSize: bytes.size,
    longestTokenChars: bytes.longest,
  }
}
