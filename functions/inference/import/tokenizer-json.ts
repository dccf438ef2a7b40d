/** Writes the tokenizer of a GGUF file as Hugging Face's tokenizer.json. */
import { GgufError } from './gguf-cursor.ts'
import type { GgufFile, GgufValue } from './gguf-file.ts'
import { byteLevel, PRE_TOKENIZERS, type PreTokenizer } from './pre-tokenizers.ts'

/** Values of tokenizer.ggml.token_type (llama.cpp's llama_token_type). */
const TOKEN_CONTROL = 3
const TOKEN_USER_DEFINED = 4

export type SpecialTokens = { bosTokenId: number | null; eosTokenIds: number[]; chatTemplate: string | null }

/** The object of tokenizer.json: byte-level BPE. Throws GgufError for another kind of tokenizer. */
export function tokenizerJson(file: GgufFile): object {
  const model = file.metadata.get('tokenizer.ggml.model')
  if (model !== 'gpt2')
    throw new GgufError(`its tokenizer is ${String(model)}, and the one that can be imported is gpt2 (byte-level BPE)`)
  const rules = preTokenizer(file)
  const tokens = strings(file, 'tokenizer.ggml.tokens')
  const types = list(file, 'tokenizer.ggml.token_type')
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: tokens.flatMap((content, id) => {
      const type = types[id]
      if (type !== TOKEN_CONTROL && type !== TOKEN_USER_DEFINED) return []
      const special = type === TOKEN_CONTROL
      return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }]
    }),
    normalizer: rules.normalizer ?? null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: rules.pretokenizers },
    post_processor: null,
    decoder: { ...byteLevel, add_prefix_space: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ...(rules.ignoreMerges ? { ignore_merges: true } : {}),
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: strings(file, 'tokenizer.ggml.merges'),
    },
  }
}

/** What begins and ends a text, and the chat template. */
export function specialTokens(file: GgufFile, vocabSize: number): SpecialTokens {
  const template = file.metadata.get('tokenizer.chat_template')
  // eot ends a turn, eom a message that calls a tool; not every model has them beside eos.
  const ends = ['eos', 'eot', 'eom'].map((name) => tokenId(file, `tokenizer.ggml.${name}_token_id`, vocabSize))
  const tokens = strings(file, 'tokenizer.ggml.tokens')
  for (const token of preTokenizer(file).endTokens ?? []) {
    const id = tokens.indexOf(token)
    if (id >= 0) ends.push(id)
  }
  const bosTokenId = tokenId(file, 'tokenizer.ggml.bos_token_id', vocabSize)
  return {
    bosTokenId,
    eosTokenIds: [...new Set(ends.filter((id) => id !== null))],
    chatTemplate: typeof template === 'string' ? template : null,
  }
}

function preTokenizer(file: GgufFile): PreTokenizer {
  const pre = String(file.metadata.get('tokenizer.ggml.pre') ?? 'gpt-2')
  const rules = Object.hasOwn(PRE_TOKENIZERS, pre) ? PRE_TOKENIZERS[pre] : undefined
  if (rules) return rules
  const known = Object.keys(PRE_TOKENIZERS).join(', ')
  throw new GgufError(`its pre-tokenizer is ${pre}, and those that can be imported are ${known}`)
}

function tokenId(file: GgufFile, key: string, vocabSize: number): number | null {
  const value = file.metadata.get(key)
  if (value === undefined) return null
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value >= vocabSize)
    throw new GgufError(`its ${key} is no token of its vocabulary`)
  return value
}

function list(file: GgufFile, key: string): readonly GgufValue[] {
  const value = file.metadata.get(key)
  if (!Array.isArray(value)) throw new GgufError(`its ${key} is missing`)
  return value
}

function strings(file: GgufFile, key: string): string[] {
  return list(file, key).map((item) => {
    if (typeof item !== 'string') throw new GgufError(`its ${key} holds something other than text`)
    return item
  })
}
