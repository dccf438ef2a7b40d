import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createGrammars } from '../../../functions/inference/engine/grammar/grammars.ts'
import { objectGrammar } from '../../../functions/inference/grammar/schema-to-grammar.ts'
import { defaultModelFolder } from './default-model.ts'

test('whoever is held to a grammar is told when its thread dies, and the next is served again', async () => {
  const grammar = objectGrammar()
  if (!grammar.ok) throw new Error(grammar.message)
  const grammars = createGrammars({ folder: await defaultModelFolder(), vocabSize: 49_152, eosTokenIds: [2] })
  expect(await grammars.check(grammar.source)).toEqual({ ok: true })
  const first = grammars.open(grammar.source, [], 10)
  await first.ready()
  expect(first.mask()).toBeInstanceOf(Int32Array)
  // What no engine sends: a token that the grammar forbids is an answer that cannot go on, and nobody else's trouble.
  const other = grammars.open(grammar.source, [], 10)
  first.accept(2_000)
  await first.ready()
  expect(first.mask()).toBe('failed')
  await other.ready()
  expect(other.mask()).toBeInstanceOf(Int32Array)
  grammars.kill('Killed by a test.')
  other.accept(100)
  await other.ready()
  expect(other.mask()).toBe('failed')
  const next = grammars.open(grammar.source, [], 10)
  await next.ready()
  expect(next.mask()).toBeInstanceOf(Int32Array)
  await grammars.stop()
})

test('a grammar that ends the WASM is refused, and one that is compiled beside it is not', async () => {
  const grammar = objectGrammar()
  if (!grammar.ok) throw new Error(grammar.message)
  const grammars = createGrammars({ folder: await defaultModelFolder(), vocabSize: 49_152, eosTokenIds: [2] })
  await grammars.check(grammar.source)
  const bound = grammars.open(grammar.source, [], 10)
  await bound.ready()
  expect(await grammars.check({ text: 'root ::= nothing_like_it', limits: null })).toMatchObject({ ok: false })
  expect(bound.mask()).toBeInstanceOf(Int32Array)
  expect(await grammars.check(grammar.source)).toEqual({ ok: true })
  await grammars.stop()
})

test('a thread that hangs is ended, and whoever waits for it is told', async () => {
  const workerFile = new URL(`file://${fileURLToPath(new URL('./hanging-worker.ts', import.meta.url))}`)
  const grammars = createGrammars({ folder: '', vocabSize: 32, eosTokenIds: [0], workerFile, compileMaxMs: 50 })
  expect(await grammars.check({ text: 'root ::= "a"', limits: null })).toEqual({
    ok: false,
    message: 'The grammar took too long.',
  })
  await grammars.stop()
})
