/** A vocabulary without a model: all bytes, and some tokens that reach across the parts of JSON. Id 0 ends an answer. */
import {
  createGrammarCompiler,
  type GrammarCompiler,
} from '../../../functions/inference/engine/grammar/grammar-compiler.ts'
import {
  createGrammarSession,
  type GrammarSession,
} from '../../../functions/inference/engine/grammar/grammar-session.ts'
import type { GrammarSource } from '../../../functions/inference/grammar/grammar-source.ts'
import { createTokenTable } from '../../../functions/inference/grammar/token-table.ts'
import { TokenBytes } from '../../../functions/inference/text/token-bytes.ts'

export const END = 0
const WORDS = [
  '{"',
  '":',
  '": "',
  '", "',
  '"}',
  '"]',
  ', ',
  'name',
  'abc',
  'the ',
  'é',
  '中文',
  '\\"',
  '\\n',
  '12',
  'true',
  '<tool_call>',
  'tool',
  '  ',
]
const TEXTS = ['<end>', ...WORDS]

/** GPT-2's alphabet for single bytes, as token-bytes.ts reads it. */
const prints = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
const alphabet: string[] = []
for (let byte = 0, next = 256; byte < 256; byte++) alphabet.push(String.fromCodePoint(prints(byte) ? byte : next++))
const vocab: Record<string, number> = {}
TEXTS.forEach((text, id) => {
  vocab[Array.from(Buffer.from(text), (byte) => alphabet[byte]).join('')] = id
})
for (const character of alphabet) vocab[character] ??= Object.keys(vocab).length

const bytes = new TokenBytes(vocab, [])
export const SIZE = bytes.size
export const bytesOf = (id: number): Uint8Array => (id === END ? new Uint8Array() : bytes.of(id))
const table = createTokenTable(SIZE, bytesOf)
const tokens = Array.from({ length: SIZE }, (_, id) => (id === END ? '' : bytes.asByteCharacters(id)))

let compiler: Promise<GrammarCompiler> | undefined

export async function openSession(source: GrammarSource): Promise<GrammarSession> {
  compiler ??= createGrammarCompiler({ tokens, eosTokenIds: [END] })
  const { compile, match } = await compiler
  return createGrammarSession({ source, matcher: await match(await compile(source)), table, eosTokenIds: [END] })
}

export function idsIn(mask: Int32Array): number[] {
  return Array.from({ length: SIZE }, (_, id) => id).filter((id) => (((mask[id >> 5] ?? 0) >>> (id & 31)) & 1) === 1)
}

/** Numbers below a limit, the same for the same seed. */
export function numbers(seed: number) {
  let state = seed
  return (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

/**
 * A text of the grammar by a model that knows nothing; `isComplete` when it has ended.
 * @param ids how it begins: with the beginning of such a text, the rest is that of the same seed
 */
export async function randomText(source: GrammarSource, seed: number, maxTokens: number, ids: number[] = []) {
  const session = await openSession(source)
  const next = numbers(seed)
  /** The same numbers for the same place, whatever was allowed before it. */
  const draw = () => ({ ends: next(4) === 0, share: next(2 ** 32) / 2 ** 32 })
  const taken: number[] = []
  for (const id of ids) {
    draw()
    if (!(await session.replay(id, maxTokens - taken.length))) throw new Error(`Token ${id} is not of the grammar.`)
    taken.push(id)
  }
  let isComplete = false
  while (taken.length < maxTokens && !isComplete) {
    const allowed = idsIn(await session.mask(maxTokens - taken.length))
    if (allowed.length === 0) throw new Error(`Nothing may follow ${textOf(taken)}`)
    const { ends, share } = draw()
    const id = allowed.includes(END) && ends ? END : (allowed[Math.floor(share * allowed.length)] ?? END)
    isComplete = id === END
    taken.push(id)
    if (!isComplete && !session.accept(id)) throw new Error('What was allowed is not accepted.')
  }
  session.close()
  return { ids: taken, text: textOf(taken), isComplete }
}

export const textOf = (ids: readonly number[]): string => Buffer.concat(ids.map(bytesOf)).toString('utf8')
