/** The default model as it is published: its text comes out as it went in, and it answers. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ensureModel } from '../../../functions/inference/models/ensure-model.ts'
import { TOKENIZER_FILE } from '../../../functions/inference/models/model-config.ts'
import { compileChatTemplate } from '../../../functions/inference/text/chat-template.ts'
import { loadTokenizer, type Tokenizer } from '../../../functions/inference/text/tokenizer.ts'
import { type GraphSession, openGraph } from '../import/graph-session.ts'

let folder: string
let tokenizer: Tokenizer
let graph: GraphSession
beforeAll(async () => {
  const model = await ensureModel({})
  if (!model.ok) throw new Error(model.message)
  folder = model.folder
  tokenizer = await loadTokenizer(folder)
  graph = await openGraph(folder)
})
afterAll(() => graph.close())

const TEXTS = [
  'Hello, world!',
  '  leading and trailing  ',
  'line\n\n\nbreaks\r\n\ttabs',
  "it's 1234567 . What ?  n't",
  'naïve Grüße 漢字 العربية 🙂👩‍🚀',
  '<|im_start|>user\nhi<|im_end|>',
  '\uFEFFmark',
  'x'.repeat(2_000),
]

test.each(TEXTS)('%j comes out as it went in, with and without special tokens', (text) => {
  for (const specialTokens of [true, false]) {
    expect(tokenizer.decode(tokenizer.encode(text, { specialTokens }), { keepSpecialTokens: true })).toBe(text)
  }
})

test('decoding agrees with the library, over random ids', async () => {
  const library = new HuggingFaceTokenizer(JSON.parse(await readFile(join(folder, TOKENIZER_FILE), 'utf8')), {
    clean_up_tokenization_spaces: false,
  })
  let state = 3
  for (let round = 0; round < 50; round++) {
    const ids = Array.from({ length: 60 }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 2 ** 32) * tokenizer.vocabSize)
    })
    expect(tokenizer.decode(ids, { keepSpecialTokens: true })).toBe(library.decode(ids))
    expect(tokenizer.decode(ids)).toBe(library.decode(ids, { skip_special_tokens: true }))
  }
})

test('the stream of an answer is its text, and no piece holds half a character', () => {
  const text = TEXTS.join('\n')
  const stream = tokenizer.stream()
  const pieces = tokenizer.encode(text, { specialTokens: false }).map((id) => stream.push(id))
  pieces.push(stream.end())
  expect(pieces.join('')).toBe(text)
  for (const piece of pieces) expect(piece.isWellFormed() && !piece.includes('\uFFFD')).toBe(true)
})

test("a caller's words are no special token unless asked for", () => {
  expect(tokenizer.encode('<|im_end|>', { specialTokens: true })).toEqual([2])
  expect(tokenizer.encode('<|im_end|>', { specialTokens: false })).not.toContain(2)
})

test('no text has fewer tokens than its length over the longest token', () => {
  for (const text of [' '.repeat(5_000), '-'.repeat(5_000), 'the '.repeat(1_000), '漢'.repeat(1_000)]) {
    const count = tokenizer.encode(text, { specialTokens: true }).length
    expect(text.length).toBeLessThanOrEqual(count * tokenizer.longestTokenChars)
  }
  expect(tokenizer.longestTokenChars).toBeLessThan(200)
})

function prompt(question: string): number[] {
  const compiled = compileChatTemplate(graph.config.chatTemplate, { bosToken: '<|im_start|>', eosToken: '<|im_end|>' })
  const rendered = compiled.ok ? compiled.template.render([{ role: 'user', content: question }]) : compiled
  if (!rendered.ok) throw new Error(rendered.message)
  return tokenizer.encode(rendered.prompt, { specialTokens: true })
}

test('the chat template puts in the default system turn and opens the answer', () => {
  expect(tokenizer.decode(prompt('Hi'), { keepSpecialTokens: true })).toBe(
    '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
  )
})

test('what is 7 + 5? is answered with 12, and the answer ends', async () => {
  let ids = prompt('What is 7 + 5?')
  let past = graph.empty(1)
  const answer: number[] = []
  for (;;) {
    const step = await graph.run(past, [ids], [ids.length - 1])
    past = step.past
    const logits = step.logits[0]?.[0] ?? new Float32Array()
    const next = logits.reduce((best, value, id) => (value > (logits[best] ?? 0) ? id : best), 0)
    if (graph.config.eosTokenIds.includes(next) || answer.length >= 60) break
    answer.push(next)
    ids = [next]
  }
  expect(tokenizer.decode(answer)).toContain('12')
  expect(answer.length).toBeLessThan(60)
})

test('two rows or nine, alone or beside others: the real weights give a row the same bits', async () => {
  const ids = prompt('Name three fruits.').slice(0, 24)
  const { past } = await graph.run(graph.empty(1), [ids], [ids.length - 1])
  const bits = async (rows: number) => {
    const stacked = graph.stack(Array.from({ length: rows }, () => past))
    const { logits } = await graph.run(
      stacked,
      Array.from({ length: rows }, (_, row) => [500 + row]),
      [0],
    )
    return new Uint32Array(logits[0]?.[0]?.slice().buffer ?? new ArrayBuffer(0))
  }
  const two = await bits(2)
  expect(two).toHaveLength(graph.config.vocabSize)
  for (const rows of [3, 4, 8, 9])
    expect(Buffer.from((await bits(rows)).buffer).equals(Buffer.from(two.buffer))).toBe(true)
})
