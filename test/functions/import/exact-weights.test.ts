/** The graph computes what the file's numbers mean, for every weight type, and a row's bits do not depend on its neighbours. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { importGguf } from '../../../functions/inference/import/import-gguf.ts'
import { type GraphSession, openGraph } from './graph-session.ts'
import { referenceLogits } from './reference-model.ts'
import { relativeError } from './relative-error.ts'
import { SYNTHETIC_TYPES } from './synthetic-blocks.ts'
import { type SyntheticModel, type SyntheticOptions, syntheticGguf } from './synthetic-gguf.ts'

const PROMPT = [5, 87, 240, 1, 19, 133, 260, 3, 77, 214]

/** Generating and calculating is slower than what is tested: once per case, not per test. */
const made = new Map<SyntheticOptions, { model: SyntheticModel; reference: Float64Array[] }>()

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'perigee-import-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

function make(options: SyntheticOptions) {
  const model = syntheticGguf(options)
  const known = { model, reference: referenceLogits(model, PROMPT) }
  made.set(options, known)
  return known
}

async function imported(options: SyntheticOptions, accuracyLevel: 1 | 4) {
  const { model, reference } = made.get(options) ?? make(options)
  const folder = await mkdtemp(join(root, 'model-'))
  const ggufPath = join(root, 'synthetic.gguf')
  await writeFile(ggufPath, model.file)
  const result = await importGguf({ ggufPath, folder, name: 'synthetic', weightsSha256: '0'.repeat(64), accuracyLevel })
  if (!result.ok) throw new Error(result.message)
  return { reference, graph: await openGraph(folder) }
}

async function everyPosition(graph: GraphSession) {
  const { logits } = await graph.run(graph.empty(1), [PROMPT], [...PROMPT.keys()])
  return logits[0] ?? []
}

const CASES: { title: string; options: SyntheticOptions }[] = [
  ...SYNTHETIC_TYPES.map((type) => ({
    title: `${type}, tied embeddings`,
    options: { weights: type, embeddings: type },
  })),
  { title: 'the types of SmolLM2', options: { weights: 'Q4_1', embeddings: 'Q8_0' } },
  { title: 'values of another type', options: { weights: 'Q4_K', embeddings: 'Q6_K', valueWeights: 'Q6_K' } },
  { title: 'a head of its own', options: { weights: 'Q4_0', embeddings: 'F16', head: 'Q6_K' } },
  { title: 'rotary factors', options: { weights: 'Q8_0', embeddings: 'Q8_0', ropeFactors: true } },
  {
    title: 'qwen2 as Q4_K_M',
    options: { architecture: 'qwen2', weights: 'Q4_K', embeddings: 'Q6_K', valueWeights: 'Q6_K' },
  },
  {
    title: 'qwen2, a head of its own',
    options: { architecture: 'qwen2', weights: 'Q4_0', embeddings: 'Q8_0', head: 'Q8_0' },
  },
  { title: 'qwen3', options: { architecture: 'qwen3', weights: 'Q8_0', embeddings: 'Q8_0' } },
  {
    title: 'qwen3 as Q5_K, a head of its own',
    options: { architecture: 'qwen3', weights: 'Q5_K', embeddings: 'Q5_K', head: 'Q6_K' },
  },
  { title: 'qwen3, fp16', options: { architecture: 'qwen3', weights: 'F16', embeddings: 'F16' } },
]

test.each(CASES)('the logits are those of plain arithmetic: $title', async ({ options }) => {
  const { reference, graph } = await imported(options, 1)
  // fp32 sums against doubles; a wrong bit in one block is thousands of times more.
  expect(relativeError(await everyPosition(graph), reference)).toBeLessThan(1e-5)
  await graph.close()
})

test.each(CASES)(
  'as served, with int8 activations, logits stay near and a row has the same bits whatever is beside it: $title',
  async ({ options }) => {
    const { reference, graph } = await imported(options, 4)
    // Random weights average nothing out; without moving integers to their centre it is 0.05 (Q4_1, Q5_1, Q5_K).
    expect(relativeError(await everyPosition(graph), reference)).toBeLessThan(0.025)

    const next = 42
    const alone = await decode(graph, 2, [PROMPT.length], next)
    for (const rows of [3, 4, 5, 8, 9]) expect(await decode(graph, rows, [PROMPT.length], next)).toEqual(alone)
    for (const chunks of [
      [2, 8],
      [5, 5],
      [3, 3, 4],
    ])
      expect(await decode(graph, 2, chunks, next)).toEqual(alone)
    await graph.close()
  },
)

/** Prefills row 0 in chunks, puts different rows beside it, decodes one step, and gives row 0's logits as bits. */
async function decode(
  graph: GraphSession,
  rows: number,
  chunks: readonly number[],
  next: number,
): Promise<Uint32Array> {
  const pasts = []
  for (let row = 0; row < rows; row++) {
    let past = graph.empty(1)
    let at = 0
    for (const length of chunks) {
      const ids = PROMPT.slice(at, at + length).map((id) => (id + 31 * row) % graph.config.vocabSize)
      past = (await graph.run(past, [ids], [length - 1])).past
      at += length
    }
    pasts.push(past)
  }
  const { logits } = await graph.run(
    graph.stack(pasts),
    pasts.map((_, row) => [next + row]),
    [0],
  )
  const first = logits[0]?.[0]
  if (!first) throw new Error('no logits')
  return new Uint32Array(first.buffer, first.byteOffset, first.length)
}
