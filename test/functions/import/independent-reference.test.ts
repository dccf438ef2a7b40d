/** The graph computes what transformers computes from the same file: an independent reference (fixtures/make_fixtures.py wrote both). */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { GGML_TYPES } from '../../../functions/inference/import/ggml-types.ts'
import { openGguf } from '../../../functions/inference/import/gguf-file.ts'
import { importGguf } from '../../../functions/inference/import/import-gguf.ts'
import { modelConfigSchema } from '../../../functions/inference/models/model-config.ts'
import { openGraph } from './graph-session.ts'
import { relativeError } from './relative-error.ts'

const FIXTURES = join(import.meta.dirname, 'fixtures')

type Expected = { prompt: number[]; logits: Record<string, number[][]> }

let root: string
let expected: Expected
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'perigee-reference-'))
  expected = JSON.parse(await readFile(join(FIXTURES, 'expected-logits.json'), 'utf8'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

const FILES = [
  ...['llama', 'qwen2', 'qwen3'].flatMap((name) => [`${name}-classic.gguf`, `${name}-k-quants.gguf`]),
  // Scaled positions: as a number in the metadata, and as a factor of each frequency.
  'llama-linear.gguf',
  'llama-llama3.gguf',
].sort()

test.each(FILES)('the logits of every position are those of transformers: %s', async (name) => {
  const folder = await mkdtemp(join(root, 'model-'))
  const ggufPath = join(FIXTURES, name)
  const options = { ggufPath, folder, name: 'fixture', weightsSha256: '0'.repeat(64), accuracyLevel: 1 } as const
  expect(await importGguf(options)).toMatchObject({ ok: true })
  const graph = await openGraph(folder)
  const { prompt, logits: wanted } = expected
  const { logits } = await graph.run(graph.empty(1), [prompt], [...prompt.keys()])
  // fp32 sums against doubles; halves rotated as neighbours, a bias left out or a norm after the rotation are 10,000 times more.
  expect(relativeError(logits[0] ?? [], wanted[name] ?? [])).toBeLessThan(1e-5)
  await graph.close()
})

test('every architecture and every weight type that can be imported occurs in a file that transformers has read', async () => {
  expect((await readdir(FIXTURES)).filter((name) => name.endsWith('.gguf')).sort()).toEqual(FILES)
  const architectures = new Set<unknown>()
  const types = new Set<string>()
  for (const name of FILES) {
    const opened = await openGguf(join(FIXTURES, name))
    if (!opened.ok) throw new Error(opened.message)
    architectures.add(opened.file.metadata.get('general.architecture'))
    for (const { type } of opened.file.tensors.values()) types.add(type)
    await opened.file.close()
  }
  expect([...architectures].sort()).toEqual([...modelConfigSchema.shape.architecture.options].sort())
  expect([...types].sort()).toEqual(Object.keys(GGML_TYPES).sort())
})
