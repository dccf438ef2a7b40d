import { expect, test } from 'vitest'
import { createGrammarCompiler } from '../../../functions/inference/engine/grammar/grammar-compiler.ts'

const TOKENS = ['', 'a', 'b', 'c']
const grammar = (letter: string) => ({ text: `root ::= "${letter}"`, limits: null })

test('compiled grammars are kept up to a number of bytes, the latest in any case, and those in use go on', async () => {
  const open = (keptBytesMax: number) => createGrammarCompiler({ tokens: TOKENS, eosTokenIds: [0], keptBytesMax })
  const roomy = await open(2 ** 20)
  const first = await roomy.compile(grammar('a'))
  await roomy.compile(grammar('b'))
  expect(await roomy.compile(grammar('a'))).toBe(first)

  const tight = await open(1)
  const a = await tight.compile(grammar('a'))
  expect(await tight.compile(grammar('a'))).toBe(a)
  const matcher = await tight.match(a)
  await tight.compile(grammar('b'))
  expect(await tight.compile(grammar('a'))).not.toBe(a)
  expect(matcher.acceptToken(2)).toBe(false)
  expect(matcher.acceptToken(1)).toBe(true)
})
