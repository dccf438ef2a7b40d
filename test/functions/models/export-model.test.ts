/** A Hugging Face folder becomes a model that the engine serves, and computes what the folder's numbers mean. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openGguf } from '../../../functions/inference/import/gguf-file.ts'
import { readHuggingFaceConfig } from '../../../functions/inference/import/hugging-face-config.ts'
import { importGguf } from '../../../functions/inference/import/import-gguf.ts'
import { ensureModel } from '../../../functions/inference/models/ensure-model.ts'
import { exportModel } from '../../../functions/inference/models/export-model.ts'
import { loadTokenizer } from '../../../functions/inference/text/tokenizer.ts'
import { openGraph } from '../import/graph-session.ts'
import { referenceLogits } from '../import/reference-model.ts'
import { relativeError } from '../import/relative-error.ts'
import { type SyntheticModel, syntheticGguf } from '../import/synthetic-gguf.ts'
import { type FolderChanges, syntheticConfig, writeHuggingFace } from '../import/synthetic-hugging-face.ts'

const PROMPT = [5, 87, 240, 1, 19, 133, 260, 3, 77, 214]

let root: string
let made = 0
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'perigee-export-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

async function exported(model: SyntheticModel, changes: FolderChanges = {}) {
  const folder = await writeHuggingFace(join(root, `source-${made}`), model, changes)
  const out = join(root, `out-${made++}`)
  return { out, result: await exportModel({ folder, out, name: 'synthetic', onProgress: () => {} }) }
}

async function logitsOf(folder: string) {
  const graph = await openGraph(folder)
  const { logits } = await graph.run(graph.empty(1), [PROMPT], [...PROMPT.keys()])
  await graph.close()
  return logits[0] ?? []
}

const llama = syntheticGguf({ weights: 'F32', embeddings: 'F32' })
const qwen2 = syntheticGguf({ architecture: 'qwen2', weights: 'BF16', embeddings: 'BF16', head: 'BF16' })
const qwen3 = syntheticGguf({ architecture: 'qwen3', weights: 'F16', embeddings: 'F16' })

// Hugging Face rotates halves of a head in every architecture, which the reference does for qwen2; what has no bias or head norm gets none there.
test.each([
  { title: 'llama', model: llama, wanted: { ...llama, architecture: 'qwen2' as const }, changes: {} },
  {
    title: 'llama in three files',
    model: llama,
    wanted: { ...llama, architecture: 'qwen2' as const },
    changes: { shards: 3 },
  },
  { title: 'qwen3', model: qwen3, wanted: qwen3, changes: {} },
])(
  'the logits are those of plain arithmetic on the numbers of the folder: $title',
  async ({ model, wanted, changes }) => {
    const { out, result } = await exported(model, changes)
    expect(result).toMatchObject({
      ok: true,
      config: { name: 'synthetic', eosTokenIds: [2, 0], chatTemplate: 'a template' },
    })
    expect(relativeError(await logitsOf(out), referenceLogits(wanted, PROMPT))).toBeLessThan(1e-5)
  },
)

test.each([qwen2, qwen3])('$architecture in fp32 gives the very bytes that its GGUF file gives', async (model) => {
  const { out, result } = await exported(model)
  expect(result).toMatchObject({ ok: true })
  const ggufPath = join(root, `${model.architecture}.gguf`)
  await writeFile(ggufPath, model.file)
  const folder = await mkdtemp(join(root, 'gguf-'))
  expect(await importGguf({ ggufPath, folder, name: 'x', weightsSha256: '0'.repeat(64) })).toMatchObject({ ok: true })
  for (const name of ['model.onnx', 'model.onnx.data']) {
    expect((await readFile(join(out, name))).equals(await readFile(join(folder, name))), name).toBe(true)
  }
})

test.each(['BF16', 'F16'] as const)('norms and biases in %s are taken as what they are', async (dtype) => {
  const { out, result } = await exported(qwen2, { dtype })
  expect(result).toMatchObject({ ok: true })
  // Halves have more bits than the matrices, which were made as bf16; only the vectors lose some.
  const wanted = dtype === 'BF16' ? roundedVectors(qwen2) : qwen2
  expect(relativeError(await logitsOf(out), referenceLogits(wanted, PROMPT))).toBeLessThan(
    dtype === 'BF16' ? 1e-5 : 3e-3,
  )
})

/** The vectors as bf16 holds them, cut; the matrices are of bf16 already. */
function roundedVectors(model: SyntheticModel): SyntheticModel {
  const cut = (value: number) => {
    const bits = new Uint32Array(Float32Array.of(value).buffer)
    return new Float32Array(bits.map((word) => word & 0xffff0000).buffer)[0] ?? 0
  }
  const values = new Map([...model.values].map(([name, all]) => [name, all.map(cut)]))
  return { ...model, values }
}

test("Llama 3's scaling gives the factors that transformers computes", async () => {
  const opened = await openGguf(join(import.meta.dirname, '../import/fixtures/llama-llama3.gguf'))
  if (!opened.ok) throw new Error(opened.message)
  const tensor = opened.file.tensors.get('rope_freqs.weight')
  if (!tensor) throw new Error('no rope_freqs.weight')
  const bytes = await opened.file.read(tensor.offset, tensor.byteLength)
  await opened.file.close()
  // The LLAMA3 of fixtures/make_fixtures.py.
  const scaling = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 }
  const { ropeFactors } = readHuggingFaceConfig({
    ...syntheticConfig(llama),
    head_dim: tensor.columns * 2,
    rope_scaling: { ...scaling, original_max_position_embeddings: 16 },
  })
  expect(ropeFactors?.length).toBe(tensor.columns)
  for (const [i, factor] of (ropeFactors ?? []).entries()) expect(factor).toBeCloseTo(bytes.readFloatLE(i * 4), 5)
})

test('an exported folder is taken as a model, and its tokenizer has an entry for every row', async () => {
  const { out } = await exported(llama)
  const cacheDir = join(root, 'cache')
  const found = await ensureModel({ path: out, cacheDir })
  expect(found).toMatchObject({ ok: true, folder: out, config: { name: 'synthetic' } })
  const tokenizer = await loadTokenizer(out)
  expect(tokenizer.vocabSize).toBe(found.ok ? found.config.vocabSize : 0)
  expect(tokenizer.encode('<|im_start|>hello', { specialTokens: true })[0]).toBe(1)
  expect(tokenizer.decode(tokenizer.encode('hello world', { specialTokens: true }))).toBe('hello world')
  await writeFile(join(out, 'model.onnx.data'), 'cut')
  expect(await ensureModel({ path: out, cacheDir })).toMatchObject({ ok: false, code: 'file_unusable' })
})

const layer = 'model.layers.0.self_attn.q_proj.weight'
const cases: [string, FolderChanges, string][] = [
  ['another architecture', { config: { model_type: 'gemma3' } }, 'model_type is gemma3'],
  ['a mixture of experts', { config: { model_type: 'qwen3_moe' } }, 'model_type is qwen3_moe'],
  ['quantised weights', { config: { quantization_config: { bits: 4 } } }, 'quantised already'],
  ['an unknown scaling', { config: { rope_scaling: { type: 'yarn', factor: 4 } } }, 'rope scaling is yarn'],
  ['a sliding window', { config: { use_sliding_window: true } }, 'sliding window'],
  ['biases', { config: { attention_bias: true } }, 'biases'],
  ['another activation', { config: { hidden_act: 'gelu' } }, 'hidden_act is gelu'],
  ['other sizes than the tensors', { config: { intermediate_size: 256 } }, 'ffn_gate.weight is 512 x 256'],
  ['no head', { config: { tie_word_embeddings: false } }, 'no tensor lm_head.weight'],
  ['a layer too few', { config: { num_hidden_layers: 1 } }, 'does not use'],
  ['no sizes', { config: { hidden_size: undefined } }, 'config.json: hidden_size'],
  ['what an export wrote', { config: { importerVersion: 2 } }, 'give the model that it was made from'],
  ['no config.json', { files: { 'config.json': null } }, 'no config.json'],
  ['a config.json that is none', { files: { 'config.json': '[]' } }, 'no JSON object'],
  ['no weights', { files: { 'model.safetensors': null } }, 'neither model.safetensors nor'],
  ['no tokenizer', { files: { 'tokenizer.json': null } }, 'no tokenizer.json'],
  ['another tokenizer', { files: { 'tokenizer.json': tokenizer('Unigram') } }, 'Unigram'],
  ['an end that is no token', { files: { 'generation_config.json': '{"eos_token_id":99999}' } }, 'eos_token_id 99999'],
  ['a lost shard', { shards: 2, files: { 'model-2.safetensors': null } }, 'model-2.safetensors is missing'],
  [
    'a shard elsewhere',
    { shards: 2, files: { 'model.safetensors.index.json': index('../x.safetensors') } },
    'names ../x',
  ],
  ['no safetensors', { files: { 'model.safetensors': 'GGUF' } }, 'is not safetensors'],
  ['a huge table', { files: { 'model.safetensors': Buffer.alloc(64, 255) } }, 'is not safetensors'],
  ['a type of integers', { files: { 'model.safetensors': table({ [layer]: ['I8', [8], 0, 8] }) } }, 'is I8'],
  [
    'offsets beyond the file',
    { files: { 'model.safetensors': table({ [layer]: ['F32', [4], 0, 16] }) } },
    'cut short or damaged',
  ],
  [
    'offsets that are not the shape',
    { files: { 'model.safetensors': table({ [layer]: ['F32', [3], 0, 8] }) } },
    'damaged',
  ],
  ['offsets backwards', { files: { 'model.safetensors': table({ [layer]: ['I8', [3], 8, 4] }) } }, 'damaged'],
  [
    'shared bytes',
    { files: { 'model.safetensors': table({ a: ['F32', [2], 0, 8], b: ['F32', [1], 4, 8] }) } },
    'shares bytes',
  ],
  [
    'an unknown tensor',
    { files: { 'model.safetensors': table({ strange: ['F32', [2], 0, 8] }) } },
    'the tensor strange',
  ],
]

test.each(cases)('refused with a reason, and nothing is left: %s', async (_, changes, reason) => {
  const before = (await readdir(root)).filter((name) => name.startsWith('out-'))
  const { result } = await exported(llama, changes)
  expect(result.ok ? 'exported' : result.message).toContain(reason)
  expect((await readdir(root)).filter((name) => name.startsWith('out-'))).toEqual(before)
})

test.each([
  ['F32', 0xff80],
  ['BF16', 0x7fc0],
  ['F16', 0x7c00],
] as const)('a single weight in %s that is not finite is refused by its name', async (dtype, bits) => {
  const folder = await writeHuggingFace(join(root, `infinite-${dtype}`), llama, { dtype })
  const path = join(folder, 'model.safetensors')
  const bytes = await readFile(path)
  bytes.writeUInt16LE(bits, bytes.length - 2)
  await writeFile(path, bytes)
  const out = join(root, `infinite-${dtype}-out`)
  const result = await exportModel({ folder, out, name: 'x', onProgress: () => {} })
  expect(result.ok ? '' : result.message).toMatch(/its tensor model\.\S+ has weights that are not finite/)
})

test('a folder that has something in it is not written into', async () => {
  const { out } = await exported(llama)
  const again = await exportModel({ folder: root, out, onProgress: () => {} })
  expect(again).toMatchObject({ ok: false, message: expect.stringContaining('not empty') })
  expect((await readdir(out)).length).toBe(4)
})

function tokenizer(type: string): string {
  return JSON.stringify({ added_tokens: [], decoder: { type: 'ByteLevel' }, model: { type, vocab: {} } })
}

function index(name: string): string {
  return JSON.stringify({ weight_map: { a: name } })
}

/** A file of eight bytes of values. */
function table(tensors: Record<string, [string, number[], number, number]>): Buffer {
  const entries = Object.entries(tensors).map(([name, [dtype, shape, from, to]]) => [
    name,
    { dtype, shape, data_offsets: [from, to] },
  ])
  const head = Buffer.from(JSON.stringify(Object.fromEntries(entries)))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(head.length))
  return Buffer.concat([length, head, Buffer.alloc(8)])
}
