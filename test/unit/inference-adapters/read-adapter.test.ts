import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readAdapter } from '../../../functions/inference/adapters/read-adapter.ts'
import type { ModelConfig } from '../../../functions/inference/models/model-config.ts'
import {
  encodeSafetensors,
  type SyntheticAdapter,
  writeSyntheticAdapter,
} from '../../functions/adapters/synthetic-adapter.ts'

const root = mkdtempSync(join(tmpdir(), 'perigee-read-adapter-'))
afterAll(() => rmSync(root, { recursive: true }))

// Sound because a reader needs nothing else of the model.
const config = { architecture: 'llama', layers: 2, heads: 2, kvHeads: 1, headDim: 4 } as ModelConfig
const graph = {
  rows: { qkv: 16, projected: 8, gate_up: 24, down: 8 },
  columns: { qkv: 8, projected: 8, gate_up: 8, down: 12 },
}
const WEIGHTS = 'adapter_model.safetensors'
const Q = 'base_model.model.model.layers.0.self_attn.q_proj'

let made = 0
const write = (change: Partial<SyntheticAdapter> = {}) =>
  writeSyntheticAdapter(join(root, String(made++)), {
    ...{ rank: 2, layers: 2, seed: 1, modules: { 'self_attn.q_proj': [8, 8], 'mlp.down_proj': [8, 12] } },
    ...change,
  })
const read = (folder: string) => readAdapter(folder, config, graph)

/** The same adapter with other weights. */
function withTensors(tensors: Parameters<typeof encodeSafetensors>[0]) {
  const folder = write()
  writeFileSync(join(folder, WEIGHTS), encodeSafetensors(tensors))
  return folder
}
const matrix = (rows: number, columns: number, value = 0.5) => ({
  shape: [rows, columns],
  values: new Array<number>(rows * columns).fill(value),
})

test('every float type holds the same weights, and the digest tells files apart', async () => {
  const [plain, half, brain, other] = await Promise.all(
    [write(), write({ dtype: 'F16' }), write({ dtype: 'BF16' }), write({ seed: 2 })].map(read),
  )
  expect([...(plain?.adapter.products.keys() ?? [])].sort()).toEqual(['down', 'qkv'])
  expect(half?.adapter).toEqual(plain?.adapter)
  expect(brain?.adapter).toEqual(plain?.adapter)
  expect(other?.digest).not.toBe(plain?.digest)
  expect((await read(write())).digest).toBe(plain?.digest)
})

test('chunks are a power of two, so that none lies across a boundary of the kernel', async () => {
  const chunks = async (rank: number) => (await read(write({ rank }))).adapter.products.get('qkv')?.chunks
  expect(await Promise.all([1, 16, 17, 33, 64, 65].map(chunks))).toEqual([1, 1, 2, 4, 4, 8])
})

test('a layer that the adapter leaves alone is zeros', async () => {
  const { adapter } = await read(write({ layers: 1 }))
  expect(adapter.products.get('qkv')?.layers[1]?.b.every((value) => value === 0)).toBe(true)
  expect(adapter.products.get('qkv')?.layers[0]?.b.every((value) => value === 0)).toBe(false)
})

describe('an adapter is refused with a reason', () => {
  const A = `${Q}.lora_A.weight`
  const B = `${Q}.lora_B.weight`
  test.each<[string, () => string, string]>([
    [
      'that changes what cannot be changed',
      () => withTensors({ 'base_model.model.lm_head.lora_A.weight': matrix(2, 8) }),
      'lm_head',
    ],
    ['for a model with other sizes', () => write({ modules: { 'self_attn.q_proj': [8, 16] } }), 'would be [2,8]'],
    ['for a model with more layers', () => write({ layers: 3 }), 'layer 2 of a model with 2 layers'],
    ['of another rank than it says', () => write({ config: { r: 3 } }), 'rank 3'],
    ['with half a pair', () => withTensors({ [A]: matrix(2, 8) }), 'no counterpart'],
    ['with no weights', () => withTensors({}), 'no weights'],
    ['with a bias', () => withTensors({ [A]: { shape: [8], values: new Array<number>(8).fill(1) } }), 'shape'],
    ['that is not finite', () => withTensors({ [A]: matrix(2, 8, Number.NaN), [B]: matrix(8, 2) }), 'not finite'],
    ['that would overflow', () => withTensors({ [A]: matrix(2, 8), [B]: matrix(8, 2, 1e30) }), 'absurdly large'],
  ])('%s', async (_, folder, reason) => {
    await expect(read(folder())).rejects.toThrow(reason)
  })

  test('that was cut short at any byte', async () => {
    const folder = write()
    const whole = readFileSync(join(folder, WEIGHTS))
    for (let length = 0; length < whole.length; length += 37) {
      writeFileSync(join(folder, WEIGHTS), whole.subarray(0, length))
      await expect(read(folder)).rejects.toThrow(/cut short|not safetensors/)
    }
  })

  test('whose table lies', async () => {
    const folder = write()
    const table = (entry: object) => {
      const head = Buffer.from(
        JSON.stringify({ [A]: { dtype: 'F32', shape: [2, 8], data_offsets: [0, 64], ...entry } }),
      )
      const length = Buffer.alloc(8)
      length.writeBigUInt64LE(BigInt(head.length))
      writeFileSync(join(folder, WEIGHTS), Buffer.concat([length, head, Buffer.alloc(64)]))
      return read(folder)
    }
    for (const entry of [
      { data_offsets: [0, 60] },
      { data_offsets: [8, 72] },
      { data_offsets: [64, 0] },
      { data_offsets: [-64, 0] },
      { shape: [2, 2 ** 30] },
      { shape: [0, 8] },
      { dtype: 'I64' },
      { shape: 'x' },
    ]) {
      await expect(table(entry)).rejects.toThrow(A)
    }
    const huge = Buffer.alloc(16)
    huge.writeBigUInt64LE(2n ** 63n)
    for (const bytes of [huge, Buffer.from('\x02\0\0\0\0\0\0\0[]'), Buffer.from('\x02\0\0\0\0\0\0\0{"')]) {
      writeFileSync(join(folder, WEIGHTS), bytes)
      await expect(read(folder)).rejects.toThrow()
    }
  })
})
