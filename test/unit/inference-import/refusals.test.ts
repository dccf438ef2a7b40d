/** A GGUF file that cannot be imported is refused with a reason, whatever is wrong with it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { importGguf } from '../../../functions/inference/import/import-gguf.ts'
import { seededRandom } from '../../functions/import/synthetic-blocks.ts'
import { type Metadata, SHAPE, syntheticGguf } from '../../functions/import/synthetic-gguf.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'perigee-refusals-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

async function tryImport(file: Buffer) {
  const ggufPath = join(root, 'file.gguf')
  await writeFile(ggufPath, file)
  const folder = await mkdtemp(join(root, 'out-'))
  try {
    return await importGguf({ ggufPath, folder, name: 'x', weightsSha256: '0'.repeat(64) })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const { file: whole, withMetadata } = syntheticGguf({ weights: 'Q4_0', embeddings: 'Q8_0' })
const qwen2 = syntheticGguf({ architecture: 'qwen2', weights: 'Q4_0', embeddings: 'Q8_0' })
const qwen3 = syntheticGguf({ architecture: 'qwen3', weights: 'Q4_0', embeddings: 'Q8_0' })

/** The keys of a model's sizes under another architecture's name. */
function renamed(to: string, from = 'llama'): Metadata {
  const sizes = {
    block_count: { u32: SHAPE.layers },
    context_length: { u32: SHAPE.contextLength },
    embedding_length: { u32: SHAPE.hiddenSize },
    feed_forward_length: { u32: SHAPE.feedForwardSize },
    'attention.head_count': { u32: SHAPE.heads },
    'attention.head_count_kv': { u32: SHAPE.kvHeads },
  }
  const entries = Object.entries(sizes).flatMap(([key, value]) => [
    [`${from}.${key}`, undefined],
    [`${to}.${key}`, value],
  ])
  return { 'general.architecture': { text: to }, ...Object.fromEntries(entries) }
}

test('the whole file is imported', async () => {
  expect(await tryImport(whole)).toMatchObject({ ok: true, config: { bosTokenId: 1, eosTokenIds: [2, 0] } })
})

test.each([
  { architecture: 'llama', file: whole },
  { architecture: 'qwen2', file: qwen2.file },
  { architecture: 'qwen3', file: qwen3.file },
])('a $architecture that was cut anywhere is refused, and the reason says that it was cut', async ({ file }) => {
  expect(await tryImport(file)).toMatchObject({ ok: true })
  for (const length of [4, 7, 8, 20, 24, 100, 2_000, 6_000, 9_000, 20_000, file.length - 600]) {
    const result = await tryImport(file.subarray(0, length))
    expect(result.ok ? 'imported' : result.message, `${length} bytes`).toContain('cut short')
  }
})

test('a damaged header never throws', async () => {
  const random = seededRandom(5)
  const headerBytes = 12_000
  for (let round = 0; round < 150; round++) {
    const damaged = Buffer.from(whole.subarray(0, headerBytes + 2_000))
    for (let i = 0; i < 4; i++) damaged[Math.floor(random() * headerBytes)] = Math.floor(random() * 256)
    expect(await tryImport(damaged)).toMatchObject({ ok: false })
  }
})

test.each<{ title: string; file: Buffer; reason: string }>([
  { title: 'an empty file', file: Buffer.alloc(0), reason: 'cut short' },
  { title: 'another kind of file', file: Buffer.from('PK\u0003\u0004 and so on, it is a zip'), reason: 'letters GGUF' },
  { title: 'version 1', file: Buffer.from([...Buffer.from('GGUF'), 1, 0, 0, 0]), reason: 'version is 1' },
  {
    title: 'another architecture',
    file: withMetadata({ 'general.architecture': { text: 'mamba' } }),
    reason: 'architecture is mamba, and those that can be imported are llama, qwen2, qwen3',
  },
  {
    title: 'an architecture of experts',
    file: withMetadata({ 'general.architecture': { text: 'qwen3moe' }, 'qwen3moe.expert_count': { u32: 128 } }),
    reason: 'architecture is qwen3moe, a mixture of experts, and those',
  },
  {
    title: 'a name that every object knows',
    file: withMetadata({ 'general.architecture': { text: 'constructor' } }),
    reason: 'architecture is constructor',
  },
  {
    title: 'no architecture',
    file: withMetadata({ 'general.architecture': undefined }),
    reason: 'architecture is undefined',
  },
  {
    title: 'a qwen2 with experts',
    file: qwen2.withMetadata({ 'qwen2.expert_count': { u32: 8 } }),
    reason: 'mixture of experts',
  },
  {
    title: 'a llama that calls itself qwen2',
    file: withMetadata(renamed('qwen2')),
    reason: 'no tensor blk.0.attn_q.bias',
  },
  {
    title: 'a llama that calls itself qwen3',
    file: withMetadata(renamed('qwen3')),
    reason: 'no tensor blk.0.attn_q_norm.weight',
  },
  {
    title: 'a qwen2 that calls itself llama',
    file: qwen2.withMetadata(renamed('llama', 'qwen2')),
    reason: 'the llama architecture does not use, the first is blk.0.attn_q.bias',
  },
  {
    title: 'a qwen3 without the size of its heads',
    file: qwen3.withMetadata({ 'qwen3.attention.key_length': undefined, 'qwen3.attention.value_length': undefined }),
    reason: 'rotates 128 of 64 dimensions',
  },
  {
    title: 'values of another size than keys',
    file: qwen3.withMetadata({ 'qwen3.attention.value_length': { u32: 64 } }),
    reason: 'values are of another size than its keys',
  },
  {
    title: 'a missing size',
    file: withMetadata({ 'llama.block_count': undefined }),
    reason: 'llama.block_count is missing',
  },
  {
    title: 'an absurd size',
    file: withMetadata({ 'llama.block_count': { u32: 4_000_000_000 } }),
    reason: 'llama.block_count',
  },
  { title: 'a missing layer', file: withMetadata({ 'llama.block_count': { u32: 3 } }), reason: 'no tensor blk.2' },
  { title: 'a layer too many', file: withMetadata({ 'llama.block_count': { u32: 1 } }), reason: 'does not use' },
  {
    title: 'tensors of another shape',
    file: withMetadata({ 'llama.feed_forward_length': { u32: 1_024 } }),
    reason: 'ffn_gate.weight is 512 x 256',
  },
  { title: 'experts', file: withMetadata({ 'llama.expert_count': { u32: 8 } }), reason: 'mixture of experts' },
  {
    title: 'an unknown scaling of positions',
    file: withMetadata({ 'llama.rope.scaling.type': { text: 'yarn' } }),
    reason: 'rope scaling is yarn',
  },
  {
    title: 'partly rotated heads',
    file: withMetadata({ 'llama.rope.dimension_count': { u32: 32 } }),
    reason: 'rotates 32 of 64',
  },
  {
    title: 'another kind of tokenizer',
    file: withMetadata({ 'tokenizer.ggml.model': { text: 'llama' }, 'tokenizer.ggml.pre': { text: 'default' } }),
    reason: 'tokenizer is llama',
  },
  {
    title: 'an unknown way to cut text',
    file: withMetadata({ 'tokenizer.ggml.pre': { text: 'tekken' } }),
    reason: 'pre-tokenizer is tekken',
  },
  {
    title: 'an end token outside the vocabulary',
    file: withMetadata({ 'tokenizer.ggml.eos_token_id': { u32: 70_000 } }),
    reason: 'eos_token_id is no token',
  },
])('$title is refused with its reason', async ({ file, reason }) => {
  const result = await tryImport(file)
  expect(result.ok ? 'imported' : result.message).toContain(reason)
})

test('an unknown weight type is refused by its number', async () => {
  // The type of token_embd.weight, the first tensor: after its name, the number of dimensions and the two dimensions.
  const file = Buffer.from(whole)
  const name = 'token_embd.weight'
  file.writeUInt32LE(39, file.indexOf(name) + name.length + 4 + 16)
  const result = await tryImport(file)
  expect(result.ok ? 'imported' : result.message).toContain('token_embd.weight is of ggml type 39')
})

test('a count beyond every real model is refused before anything is read for it', async () => {
  const file = Buffer.from(whole)
  file.writeBigUInt64LE(2n ** 40n, 16)
  const result = await tryImport(file)
  expect(result.ok ? 'imported' : result.message).toContain('claims 1099511627776 metadata keys')
})

test('a file that is not there is refused', async () => {
  const result = await importGguf({ ggufPath: join(root, 'none.gguf'), folder: root, name: 'x', weightsSha256: '' })
  expect(result).toMatchObject({ ok: false })
})
