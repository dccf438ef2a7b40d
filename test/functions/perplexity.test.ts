/**
 * The engine is as surprised by English as llama.cpp is on the same weights. llama.cpp's figure is committed, with how it was had, by
 * `npm run long:perplexity -- --save`, which scores all of the text; this scores its first windows.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadModel } from '../../functions/inference/engine/load-model.ts'
import { ensureModel } from '../../functions/inference/models/ensure-model.ts'
import { perplexityOf, RULE, WINDOW_TOKENS, windowsOf } from '../../functions/inference/models/perplexity.ts'
import { loadTokenizer } from '../../functions/inference/text/tokenizer.ts'
import { englishText, tokensSha256 } from '../bench/perplexity/text.ts'

type Committed = {
  figures: {
    model: string
    weightsSha256: string
    tokens: number
    tokensSha256: string
    rule: string
    windowsShort: number
    perplexityShort: { llama: number }
  }
}

// Sound: the file is ours; a missing field makes a comparison below fail.
const { figures } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../bench/results/perplexity.json'), 'utf8'),
) as Committed

test('the perplexity of a fixed English text is within 1 % of that of llama.cpp on the same weights', async () => {
  const model = await ensureModel({ name: figures.model })
  if (!model.ok) throw new Error(model.message)
  expect(model.config.weightsSha256).toBe(figures.weightsSha256)
  expect(RULE).toBe(figures.rule)

  const tokenizer = await loadTokenizer(model.folder)
  const tokens = tokenizer.encode(englishText(), { specialTokens: false })
  // The ids that llama.cpp's own tokenizer made of the text.
  expect({ count: tokens.length, sha256: tokensSha256(tokens) }).toEqual({
    count: figures.tokens,
    sha256: figures.tokensSha256,
  })

  const windows = windowsOf(tokens).slice(0, figures.windowsShort)
  expect(windows.flat().length).toBeGreaterThanOrEqual(1_000)
  const loaded = loadModel(model.folder, { threads: 2, rows: 2, context: WINDOW_TOKENS })
  try {
    const scores: number[] = []
    for (const window of windows) scores.push(...(await loaded.logProbabilities(window)).values)
    expect(Math.abs(perplexityOf(scores) / figures.perplexityShort.llama - 1)).toBeLessThan(0.01)
  } finally {
    loaded.close()
  }
})
