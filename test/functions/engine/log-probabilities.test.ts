import { expect, test } from 'vitest'
import { loadModel } from '../../../functions/inference/engine/load-model.ts'
import { loadTokenizer } from '../../../functions/inference/text/tokenizer.ts'
import { defaultModelFolder } from './default-model.ts'

const TEXT =
  'Bread is made from flour, water, salt and yeast. The dough is kneaded until it is smooth, and then it is left in a warm ' +
  'place to rise. After an hour or two it is shaped into a loaf, and baked in a hot oven until the crust is brown.'

test('the probability of every token of a text does not depend on the chunks, and English is likelier than its reverse', async () => {
  const folder = await defaultModelFolder()
  const ids = (await loadTokenizer(folder)).encode(TEXT, { specialTokens: false })
  const model = loadModel(folder, { threads: 2, rows: 2, context: 256 })
  const { values, perplexity } = await model.logProbabilities(ids)
  const reversed = await model.logProbabilities([...ids].reverse())
  model.close()

  const inChunks = loadModel(folder, { threads: 2, rows: 2, context: 256, chunkTokens: 7 })
  const again = await inChunks.logProbabilities(ids)
  inChunks.close()

  expect(values.length).toBe(ids.length - 1)
  expect(again.values).toEqual(values)
  expect(perplexity).toBeGreaterThan(3)
  expect(perplexity).toBeLessThan(20)
  expect(reversed.perplexity).toBeGreaterThan(20 * perplexity)
})

test('nor on chunks that would leave one token alone in the last of the tiles of 128 rows, which another kernel would compute', async () => {
  const folder = await defaultModelFolder()
  const ids = (await loadTokenizer(folder)).encode(TEXT.repeat(4), { specialTokens: false }).slice(0, 160)
  const values = []
  for (const chunkTokens of [129, 64]) {
    const model = loadModel(folder, { threads: 2, rows: 2, context: 256, chunkTokens })
    values.push((await model.logProbabilities(ids)).values)
    model.close()
  }
  expect(values[0]).toEqual(values[1])
})
