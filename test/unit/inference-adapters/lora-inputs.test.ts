import { expect, test } from 'vitest'
import type { PackedAdapter } from '../../../functions/inference/adapters/packed-adapter.ts'
import { openLoraInputs } from '../../../functions/inference/engine/lora-inputs.ts'
import type { OrtBinding, TensorData } from '../../../functions/inference/engine/ort-session.ts'

const COLUMNS = 4
const ROWS = 6
const graph = {
  rows: { qkv: ROWS, projected: ROWS, gate_up: ROWS, down: ROWS },
  columns: { qkv: COLUMNS, projected: COLUMNS, gate_up: COLUMNS, down: COLUMNS },
}

/** An adapter whose weights are all `value`. */
function adapter(chunks: number, value: number): PackedAdapter {
  const layer = {
    a: new Float32Array(chunks * COLUMNS * 16).fill(value),
    b: new Float32Array(chunks * 16 * ROWS).fill(value),
  }
  return { products: new Map([['qkv', { chunks, layers: [layer] }]]) }
}

function open() {
  const adapters = new Map([
    ['one', adapter(1, 1)],
    ['two', adapter(2, 2)],
  ])
  const inputs = openLoraInputs({ adapters, products: ['qkv', 'down'], layers: 1, graph })
  const bound = new Map<string, { data: TensorData; shape: number[] }>()
  let binds = 0
  const binding: OrtBinding = {
    input(name, data, shape) {
      binds++
      bound.set(name, { data, shape })
    },
    output() {},
    run: async () => {},
    release() {},
  }
  const run = (keys: (string | null)[], tokens = 1) =>
    inputs.bind({ binding, rows: Math.max(keys.length, 1), tokens, adapters: keys })
  return { adapters, inputs, bound, run, binds: () => binds }
}

test('each row sees its own adapter and no other, largest first', () => {
  const { bound, run } = open()
  run(['one', null, 'two'])
  expect(bound.get('lora.qkv.mask')?.shape).toEqual([3, 3, 1])
  expect([...(bound.get('lora.qkv.mask')?.data ?? [])]).toEqual([0, 0, 1, 0, 0, 1, 1, 0, 0])
  const a = bound.get('lora.0.qkv.a')
  expect(a?.shape).toEqual([3, COLUMNS, 16])
  expect([...(a?.data.subarray(0, 2 * COLUMNS * 16) ?? [])].every((value) => value === 2)).toBe(true)
  expect([...(a?.data.subarray(2 * COLUMNS * 16) ?? [])].every((value) => value === 1)).toBe(true)
  expect(bound.get('lora.0.qkv.b')?.shape).toEqual([48, ROWS])
  expect([...(bound.get('lora.shape')?.data ?? [])]).toEqual([3n, 1n, -1n])
})

test('a product that none of the adapters changes gets zeros', () => {
  const { bound, run } = open()
  run(['one'], 7)
  expect(bound.get('lora.0.down.a')?.shape).toEqual([1, COLUMNS, 16])
  expect([...(bound.get('lora.0.down.a')?.data ?? [])].some((value) => value !== 0)).toBe(false)
  expect([...(bound.get('lora.down.mask')?.data ?? [])]).toEqual([0])
  expect([...(bound.get('lora.shape')?.data ?? [])]).toEqual([1n, 7n, -1n])
})

test('weights are bound anew only when the set of adapters changes, and one alone is never copied', () => {
  const { adapters, bound, run, binds } = open()
  run(['one', null, null])
  expect(bound.get('lora.0.qkv.a')?.data).toBe(adapters.get('one')?.products.get('qkv')?.layers[0]?.a)
  const before = binds()
  run([null, 'one', 'one'])
  expect(binds()).toBe(before)
  expect([...(bound.get('lora.qkv.mask')?.data ?? [])]).toEqual([0, 1, 1])
  run(['two', 'one', null])
  const joined = bound.get('lora.0.qkv.a')?.data
  run(['one', 'two', 'two'])
  expect(bound.get('lora.0.qkv.a')?.data).toBe(joined)
})

test('an adapter that is forgotten is bound nowhere, and cannot be used', () => {
  const { adapters, inputs, bound, run } = open()
  run(['one', 'two'])
  adapters.delete('one')
  inputs.forget('one')
  expect([...(bound.get('lora.0.qkv.a')?.data ?? [])].some((value) => value !== 0)).toBe(false)
  expect(() => run(['one', 'two'])).toThrow('one')
  run(['two', 'two'])
  expect(bound.get('lora.0.qkv.a')?.shape).toEqual([2, COLUMNS, 16])
})
