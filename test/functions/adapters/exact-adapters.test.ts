/** An adapter computes what PEFT's formula says, for every module and kind of weights, and rows with adapters keep the rules of sameness. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readAdapter } from '../../../functions/inference/adapters/read-adapter.ts'
import type { AdapterHost } from '../../../functions/inference/engine/adapter-runs.ts'
import { type Decoder, openDecoder } from '../../../functions/inference/engine/decoder.ts'
import { readModelConfig } from '../../../functions/inference/engine/model-folder.ts'
import { importGguf } from '../../../functions/inference/import/import-gguf.ts'
import { openLoraGraph } from '../../../functions/inference/import/lora-graph.ts'
import { GRAPH_FILE } from '../../../functions/inference/models/model-config.ts'
import { compileChatTemplate } from '../../../functions/inference/text/chat-template.ts'
import { loadTokenizer } from '../../../functions/inference/text/tokenizer.ts'
import { defaultModelFolder } from '../engine/default-model.ts'
import { referenceLogits } from '../import/reference-model.ts'
import { SHAPE, type SyntheticOptions, syntheticGguf } from '../import/synthetic-gguf.ts'
import { EXPECTED, SENTIMENT_FOLDER, sentimentQuestion } from './fixture.ts'
import { adapterValues, type SyntheticAdapter, writeSyntheticAdapter } from './synthetic-adapter.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'perigee-lora-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

const open = (folder: string, threads = 2) =>
  openDecoder({
    ...{ folder, config: readModelConfig(folder), rows: 8, context: 128, threads, spinUs: 10, chunkTokensMax: 128 },
  })

async function add(decoder: Decoder & AdapterHost, modelFolder: string, key: string, adapterFolder: string) {
  const { config } = decoder
  const graph = openLoraGraph(readFileSync(join(modelFolder, GRAPH_FILE)), config)
  await decoder.addAdapter(key, (await readAdapter(adapterFolder, config, graph)).adapter)
}

describe('the logits are those of weights with the adapter merged into them', () => {
  const { hiddenSize, heads, kvHeads, feedForwardSize } = SHAPE
  const modulesFor = (headDim: number): Record<string, { modules: SyntheticAdapter['modules']; tensor: string }> => ({
    attn_q: { tensor: 'attn_q', modules: { 'self_attn.q_proj': [heads * headDim, hiddenSize] } },
    attn_k: { tensor: 'attn_k', modules: { 'self_attn.k_proj': [kvHeads * headDim, hiddenSize] } },
    attn_v: { tensor: 'attn_v', modules: { 'self_attn.v_proj': [kvHeads * headDim, hiddenSize] } },
    attn_output: { tensor: 'attn_output', modules: { 'self_attn.o_proj': [hiddenSize, heads * headDim] } },
    ffn_gate: { tensor: 'ffn_gate', modules: { 'mlp.gate_proj': [feedForwardSize, hiddenSize] } },
    ffn_up: { tensor: 'ffn_up', modules: { 'mlp.up_proj': [feedForwardSize, hiddenSize] } },
    ffn_down: { tensor: 'ffn_down', modules: { 'mlp.down_proj': [hiddenSize, feedForwardSize] } },
  })
  const MODULES = modulesFor(SHAPE.headDim)
  const allFor = (headDim: number): SyntheticAdapter['modules'] =>
    Object.assign({}, ...Object.values(modulesFor(headDim)).map(({ modules }) => modules))
  const all = allFor(SHAPE.headDim)
  const PROMPT = [5, 87, 240, 1, 19, 133, 260, 3]

  type Case = [string, Pick<SyntheticAdapter, 'rank' | 'modules' | 'config' | 'dtype'>, SyntheticOptions]
  const CASES: Case[] = [
    ...Object.entries(MODULES).map(
      ([name, { modules }]): Case => [name, { rank: 4, modules }, { weights: 'Q8_0', embeddings: 'Q8_0' }],
    ),
    ['all at rank 8, float weights', { rank: 8, modules: all }, { weights: 'F32', embeddings: 'F16' }],
    [
      'all at rank 24, in pieces, with rsLoRA',
      { rank: 24, modules: all, config: { use_rslora: true } },
      { weights: 'Q4_K', embeddings: 'Q6_K', valueWeights: 'Q6_K' },
    ],
    ['half precision', { rank: 3, modules: all, dtype: 'F16' }, { weights: 'Q4_1', embeddings: 'Q8_0' }],
    // 432 ranks in the product of q, k and v.
    ['all at rank 144', { rank: 144, modules: all }, { weights: 'F32', embeddings: 'F16' }],
    // Biases of q, k and v in the product that the adapter is added to; halves rotated apart, so that no rows are turned.
    ['qwen2, all', { rank: 8, modules: all }, { architecture: 'qwen2', weights: 'Q8_0', embeddings: 'Q8_0' }],
    // Norms behind q and k, and heads that together are wider than the model.
    [
      'qwen3, all, in pieces',
      { rank: 24, modules: allFor(128) },
      { architecture: 'qwen3', weights: 'Q4_K', embeddings: 'Q6_K' },
    ],
  ]

  test.each(CASES)('%s', async (_, given, weights) => {
    const model = syntheticGguf(weights)
    const folder = await mkdtemp(join(root, 'model-'))
    const ggufPath = join(root, 'synthetic.gguf')
    await writeFile(ggufPath, model.file)
    const imported = await importGguf({ ggufPath, folder, name: 's', weightsSha256: '0'.repeat(64), accuracyLevel: 1 })
    if (!imported.ok) throw new Error(imported.message)
    const adapter: SyntheticAdapter = { ...given, layers: SHAPE.layers, seed: 3, size: 0.1 }
    const adapterFolder = writeSyntheticAdapter(await mkdtemp(join(root, 'adapter-')), adapter)

    const before = referenceLogits(model, PROMPT).at(-1) ?? new Float64Array()
    const values = adapterValues(adapter)
    const scale = adapter.config?.use_rslora === true ? (2 * adapter.rank) / Math.sqrt(adapter.rank) : 2
    const { headDim } = model.shape
    for (const { tensor, modules } of Object.values(modulesFor(headDim))) {
      for (const [module, [rows, columns]] of Object.entries(modules)) {
        if (!(module in adapter.modules)) continue
        for (let layer = 0; layer < SHAPE.layers; layer++) {
          const into = model.values.get(`blk.${layer}.${tensor}.weight`) ?? new Float64Array()
          const a = values.get(`base_model.model.model.layers.${layer}.${module}.lora_A.weight`) ?? []
          const b = values.get(`base_model.model.model.layers.${layer}.${module}.lora_B.weight`) ?? []
          const isTurned = model.architecture === 'llama' && (tensor === 'attn_q' || tensor === 'attn_k')
          for (let row = 0; row < rows; row++) {
            const at = (isTurned ? interleaved(row, headDim) : row) * columns
            for (let column = 0; column < columns; column++) {
              let sum = 0
              for (let i = 0; i < adapter.rank; i++)
                sum += (b[row * adapter.rank + i] ?? 0) * (a[i * columns + column] ?? 0)
              into[at + column] = (into[at + column] ?? 0) + scale * sum
            }
          }
        }
      }
    }
    const wanted = referenceLogits(model, PROMPT).at(-1) ?? new Float64Array()
    const decoder = open(folder)
    await add(decoder, folder, 'a', adapterFolder)
    const prompt = { row: 0, tokens: PROMPT, start: 0, position: 0, logits: 'last' } as const
    const got = await decoder.prefill({ ...prompt, count: PROMPT.length, adapter: 'a' })
    expect(distance(got, wanted)).toBeLessThan(2e-5)
    expect(distance(before, wanted)).toBeGreaterThan(1e-3)
    // The last token by a decode step, beside a row that holds the same and has no adapter.
    const last = PROMPT.length - 1
    await decoder.prefill({ ...prompt, count: last, adapter: 'a' })
    await decoder.prefill({ ...prompt, row: 1, count: last })
    const token = PROMPT[last] ?? 0
    const both = await decoder.decode(2, [token, token], [last, last], ['a', null])
    expect(distance(both.subarray(0, wanted.length), wanted)).toBeLessThan(2e-5)
    expect(distance(both.subarray(wanted.length), before)).toBeLessThan(2e-5)
    decoder.close()
  })

  /** llama.cpp's order: the two halves of each head alternate. */
  function interleaved(row: number, dim: number): number {
    const order = Array.from({ length: dim / 2 }, (_, i) => [i, i + dim / 2]).flat()
    return row - (row % dim) + order.indexOf(row % dim)
  }
})

/** Root of the summed squares of the differences over that of the values. */
function distance(got: ArrayLike<number>, wanted: ArrayLike<number>): number {
  let error = 0
  let size = 0
  for (let i = 0; i < wanted.length; i++) {
    error += ((got[i] ?? Number.NaN) - (wanted[i] ?? 0)) ** 2
    size += (wanted[i] ?? 0) ** 2
  }
  return Math.sqrt(error / size)
}

describe('on the real model', () => {
  let folder: string
  let decoder: Decoder & AdapterHost
  beforeAll(async () => {
    folder = await defaultModelFolder()
    decoder = open(folder)
    await add(decoder, folder, 'sentiment', SENTIMENT_FOLDER)
  })
  afterAll(() => decoder.close())

  test('the real adapter gives the logits that transformers computed in float32', async () => {
    const tokenizer = await loadTokenizer(folder)
    const { chatTemplate } = decoder.config
    const template = compileChatTemplate(chatTemplate, { bosToken: '', eosToken: '' }, tokenizer.shield)
    if (!template.ok) throw new Error(template.message)
    let [adapted, base] = [0, 0]
    for (const { text, first_token_logits, base_first_token_logits } of EXPECTED.rows) {
      const rendered = template.template.render([{ role: 'user', content: sentimentQuestion(text) }])
      if (!rendered.ok) throw new Error(rendered.message)
      const tokens = tokenizer.encode(rendered.prompt, { specialTokens: true })
      const chunk = { row: 0, tokens, start: 0, count: tokens.length, position: 0, logits: 'last' } as const
      const withAdapter = (await decoder.prefill({ ...chunk, adapter: 'sentiment' })).slice()
      const without = await decoder.prefill(chunk)
      for (const word of ['positive', 'negative'] as const) {
        const id = EXPECTED.token_ids[word]
        const share = 1 / (2 * EXPECTED.rows.length)
        adapted += Math.abs((withAdapter[id] ?? 0) - first_token_logits[word]) * share
        base += Math.abs((without[id] ?? 0) - base_first_token_logits[word]) * share
      }
    }
    // Activations of 8 bits. With the rows of q in PEFT's order it is about 2.
    expect(adapted).toBeLessThan(0.6)
    expect(base).toBeLessThan(0.6)
  })

  test('the bits of a row depend neither on company, nor on its adapters, nor on chunks, nor on threads', async () => {
    const modules: SyntheticAdapter['modules'] = { 'self_attn.q_proj': [576, 576], 'mlp.down_proj': [576, 1_536] }
    const wide = writeSyntheticAdapter(join(root, 'wide'), { rank: 33, layers: 30, seed: 1, size: 0.02, modules })
    const single = open(folder, 1)
    for (const one of [decoder, single]) await add(one, folder, 'wide', wide)
    await add(single, folder, 'sentiment', SENTIMENT_FOLDER)

    const company = ['sentiment', null, 'wide', 'sentiment']
    const together = await rows(decoder, company, 128)
    for (const [adapter, lone] of [
      ['sentiment', 0],
      ['wide', 2],
      [null, 1],
    ] as const) {
      const [beside] = await rows(decoder, [adapter, null], 128)
      expect(together[lone]).toEqual(beside)
      // 17 is cut otherwise between threads than 40, and 3 leaves pieces of two.
      for (const chunk of [3, 17]) expect((await rows(decoder, [adapter, adapter], chunk))[0]).toEqual(beside)
      expect((await rows(single, [adapter, 'sentiment', null], 128))[0]).toEqual(beside)
    }
    expect(new Set(together).size).toBe(3)
    single.close()
  })

  const TOKENS = Array.from({ length: 20 }, (_, index) => (index * 7_919) % 40_000)

  /** The digest of each row's logits after two decode steps; the rows all hold the same tokens. */
  async function rows(on: Decoder, adapters: (string | null)[], chunk: number): Promise<string[]> {
    for (const [row, adapter] of adapters.entries()) {
      for (let start = 0; start < TOKENS.length; ) {
        const left = TOKENS.length - start
        const count = left - chunk === 1 ? chunk - 1 : Math.min(chunk, left)
        await on.prefill({ row, tokens: TOKENS, start, count, position: start, logits: 'last', adapter })
        start += count
      }
    }
    let logits: Float32Array = new Float32Array()
    for (let step = 0; step < 2; step++) {
      const positions = adapters.map(() => TOKENS.length + step)
      logits = await on.decode(
        adapters.length,
        new Array<number>(adapters.length).fill(504 + step),
        positions,
        adapters,
      )
    }
    const { vocabSize } = on.config
    return adapters.map((_, row) =>
      createHash('sha1')
        .update(logits.subarray(row * vocabSize, (row + 1) * vocabSize))
        .digest('hex'),
    )
  }
})
