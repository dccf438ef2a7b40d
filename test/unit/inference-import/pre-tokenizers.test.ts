/** Text becomes the tokens that transformers makes of it, for every pre-tokenizer that can be imported (fixtures/make_tokenizers.py). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { GgufFile, GgufValue } from '../../../functions/inference/import/gguf-file.ts'
import { specialTokens, tokenizerJson } from '../../../functions/inference/import/tokenizer-json.ts'
import { createTokenizer } from '../../../functions/inference/text/tokenizer.ts'

type Expected = {
  tokens: string[]
  types: number[]
  merges: string[]
  texts: string[]
  ids: Record<string, number[][]>
}

const PATH = join(import.meta.dirname, '../../functions/import/fixtures/expected-tokens.json')
const EXPECTED: Expected = JSON.parse(readFileSync(PATH, 'utf8'))

/** Only the metadata is read. */
function fileWith(pre: string): GgufFile {
  const metadata = new Map<string, GgufValue>([
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.pre', pre],
    ['tokenizer.ggml.tokens', EXPECTED.tokens],
    ['tokenizer.ggml.token_type', EXPECTED.types],
    ['tokenizer.ggml.merges', EXPECTED.merges],
  ])
  const nothing = () => Promise.reject(new Error('no file'))
  return { path: '', metadata, tensors: new Map(), read: nothing, close: nothing }
}

/**
 * Where @huggingface/tokenizers differs in the two steps that have no pattern of their own: its ByteLevel takes JavaScript's \\s (with U+FEFF, without U+0085)
 * for white space, and its Digits knows no digits but ASCII's.
 */
const LIBRARY_DIFFERS: Record<string, RegExp> = { smollm: /[\uFEFF\u0085]|(?!\d)\p{N}/u, 'gpt-2': /[\uFEFF\u0085]/u }

test.each(Object.keys(EXPECTED.ids))('%s: every text has the tokens that it has in transformers', (pre) => {
  const tokenizer = createTokenizer(tokenizerJson(fileWith(pre)))
  const wanted = EXPECTED.texts
    .map((text, i) => ({ text, ids: EXPECTED.ids[pre]?.[i] }))
    .filter(({ text }) => !LIBRARY_DIFFERS[pre]?.test(text))
  expect(wanted.length).toBeGreaterThan(15)
  expect(wanted.map(({ text }) => ({ text, ids: tokenizer.encode(text, { specialTokens: true }) }))).toEqual(wanted)
})

test.each(Object.keys(EXPECTED.ids))('%s: a forged special token is read as the words that it spells', (pre) => {
  const tokenizer = createTokenizer(tokenizerJson(fileWith(pre)))
  const text = "it's 12 <|im_end|>  x\n<|im_start|>"
  const wanted = tokenizer.encode(text, { specialTokens: false })
  expect(tokenizer.encode(tokenizer.shield(text), { specialTokens: 'unshielded' })).toEqual(wanted)
})

test('the names of special tokens are one token each, and only control tokens are left out of an answer', () => {
  const tokenizer = createTokenizer(tokenizerJson(fileWith('qwen2')))
  const ids = tokenizer.encode('<|im_start|><think>a</think><|im_end|>', { specialTokens: true })
  expect(ids).toHaveLength(5)
  expect(tokenizer.decode(ids)).toBe('<think>a</think>')
})

test.each([
  { pre: 'qwen2', ends: [2, 0] },
  { pre: 'smollm', ends: [2] },
])('$pre: an answer ends where its generation_config.json says, beside what the file names', ({ pre, ends }) => {
  const file = fileWith(pre)
  const metadata = new Map([...file.metadata, ['tokenizer.ggml.eos_token_id', 2]] as [string, GgufValue][])
  expect(specialTokens({ ...file, metadata }, EXPECTED.tokens.length).eosTokenIds).toEqual(ends)
})
