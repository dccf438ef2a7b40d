/**
 * How text is cut into words before byte pairs are merged, by the file's tokenizer.ggml.pre; a wrong cut gives other tokens than the model was trained
 * on, and no error. Sources: the tokenizer.json of the models, and llama_vocab::impl::load in llama.cpp's src/llama-vocab.cpp for the names.
 */

export type PreTokenizer = {
  /** The steps of tokenizer.json's pre_tokenizer. */
  pretokenizers: readonly object[]
  normalizer?: object
  /** A word that is a token as a whole is that token, whatever the merges would make of it. */
  ignoreMerges?: boolean
  /** What ends an answer beside what the file names: the eos_token_id of the models' generation_config.json, which GGUF has no key for. */
  endTokens?: readonly string[]
}

export const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }

/** Cut by a pattern, then bytes become characters without being cut again. */
const cutBy = (pattern: string): object[] => [
  { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
  { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
]

/** The pattern of cl100k_base, from which both below come; they differ in how many digits are one word. */
const words = (digits: string): string =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`

const llama3: PreTokenizer = {
  pretokenizers: cutBy(words('\\p{N}{1,3}')),
  ignoreMerges: true,
  endTokens: ['<|end_of_text|>', '<|eom_id|>', '<|eot_id|>'],
}

export const PRE_TOKENIZERS: Readonly<Record<string, PreTokenizer>> = {
  smollm: { pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel] },
  'gpt-2': { pretokenizers: [byteLevel] },
  qwen2: { pretokenizers: cutBy(words('\\p{N}')), normalizer: { type: 'NFC' }, endTokens: ['<|endoftext|>'] },
  'llama-bpe': llama3,
  llama3,
  'llama-v3': llama3,
}
