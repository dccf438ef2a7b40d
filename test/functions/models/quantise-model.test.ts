/** A model in fewer bits is served like any other, and the change that is reported is the one that is measured. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ensureModel } from '../../../functions/inference/models/ensure-model.ts'
import { measurePerplexity } from '../../../functions/inference/models/measure-perplexity.ts'
import type { ModelProgress } from '../../../functions/inference/models/model-progress.ts'
import { quantiseModel } from '../../../functions/inference/models/quantise-model.ts'
import { quantiseText } from '../../../functions/inference/models/quantise-report.ts'
import { englishText } from '../../bench/perplexity/text.ts'
import { syntheticGguf } from '../import/synthetic-gguf.ts'
import { writeHuggingFace } from '../import/synthetic-hugging-face.ts'

/** Two windows of the synthetic model's 256 tokens. */
const TEXT = 'hello world, '.repeat(40)

let root: string
let made = 0
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'perigee-quantise-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

async function quantised(
  source: string,
  bits: 4 | 8,
  text = TEXT,
  onProgress: (progress: ModelProgress) => void = () => {},
) {
  const out = join(root, `out-${made++}`)
  return { out, result: await quantiseModel({ source, bits, out, text, threads: 2, onProgress }) }
}

const silent = () => {}

test.each([4, 8] as const)(
  'a folder of fp32 in %d bits: smaller, served, and scored before and after',
  async (bits) => {
    const model = syntheticGguf({ weights: 'F32', embeddings: 'F32' })
    const source = await writeHuggingFace(join(root, `source-${bits}`), model)
    const phases = new Set<string>()
    const { out, result } = await quantised(source, bits, TEXT, ({ phase }) => phases.add(phase))
    if (!result.ok) throw new Error(result.message)
    const { report } = result
    expect(report).toMatchObject({ model: `source-${bits}-int${bits}`, bits, sourceWasQuantised: false })
    expect(report.weightsBytes.after).toBeLessThan(report.weightsBytes.before * (bits === 8 ? 0.35 : 0.25))
    expect([...phases]).toEqual(['reading', 'importing', 'scoring', 'quantising'])
    expect((await readdir(out)).sort()).toEqual(['config.json', 'model.onnx', 'model.onnx.data', 'tokenizer.json'])

    const served = await ensureModel({ path: out })
    expect(served).toMatchObject({ ok: true, config: { name: report.model } })
    const again = await measurePerplexity(out, TEXT, 2, silent)
    expect(report.perplexity.after).toBe(again?.perplexity)
    expect(report.text).toMatchObject({ tokens: again?.tokens, scored: again?.scored, windowTokens: 256 })
    const { before, after, relativeChange } = report.perplexity
    expect(relativeChange).toBeCloseTo((after - before) / before, 12)
    expect(before).not.toBe(after)
    expect(quantiseText(report)).toContain(`${before.toFixed(3)} before, ${after.toFixed(3)} after`)
  },
)

test('4 and 8 bits of the same weights are told apart, and from the weights themselves', async () => {
  const source = await writeHuggingFace(join(root, 'apart'), syntheticGguf({ weights: 'F32', embeddings: 'F32' }))
  const digests = new Set<string>()
  for (const bits of [4, 8] as const) {
    const { out } = await quantised(source, bits)
    const served = await ensureModel({ path: out })
    if (served.ok) digests.add(served.config.weightsSha256)
  }
  expect(digests.size).toBe(2)
})

test('a GGUF file that was quantised already is taken, and the report says so', async () => {
  const source = join(root, 'q5.gguf')
  await writeFile(source, syntheticGguf({ weights: 'Q5_K', embeddings: 'Q8_0' }).file)
  const { result } = await quantised(source, 4)
  if (!result.ok) throw new Error(result.message)
  expect(result.report).toMatchObject({ model: 'q5-int4', sourceWasQuantised: true })
  expect(quantiseText(result.report)).toContain('quantised already')
  expect(quantiseText(result.report)).toContain('14 from Q5_K to Q4_1')
})

test.each([
  ['no such source', '/nowhere/x.gguf', TEXT, 'no file or folder'],
  ['a name nobody knows', 'no-such-model', TEXT, 'There is no model, file or folder no-such-model'],
  ['a text with nothing to score', 'q5.gguf', 'a', 'nothing to score'],
])('refused with a reason, and nothing is left: %s', async (_, source, text, reason) => {
  const { out, result } = await quantised(source.endsWith('.gguf') ? join(root, source) : source, 8, text)
  expect(result.ok ? 'quantised' : result.message).toContain(reason)
  expect((await readdir(root)).filter((name) => join(root, name).startsWith(out))).toEqual([])
})

test('the real model by its name: 8 bits in place of 4 change less than 2 % of its perplexity', async () => {
  const { result } = await quantised('smollm2-135m-instruct', 8, englishText().slice(0, 1_500))
  if (!result.ok) throw new Error(result.message)
  const { perplexity, sourceWasQuantised } = result.report
  expect(sourceWasQuantised).toBe(true)
  expect(perplexity.before).toBeLessThan(60)
  expect(Math.abs(perplexity.relativeChange)).toBeLessThan(0.02)
})
