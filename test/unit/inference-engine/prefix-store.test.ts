import { expect, test } from 'vitest'
import { BLOCK_TOKENS, createPrefixStore } from '../../../functions/inference/engine/prefix-store.ts'

/** Rows whose keys and values are one number a token, given by the test: what comes back shows where it came from. */
function storeOf(blocks: number) {
  const rows = new Map<number, number[]>()
  const store = createPrefixStore(
    {
      tokenFloats: 1,
      saveTokens(row, position, count, block, at) {
        for (let i = 0; i < count; i++) block[at + i] = rows.get(row)?.[position + i] ?? Number.NaN
      },
      loadTokens(row, position, count, block, at) {
        const values = rows.get(row) ?? []
        for (let i = 0; i < count; i++) values[position + i] = block[at + i] ?? Number.NaN
        rows.set(row, values)
      },
    },
    blocks * BLOCK_TOKENS * Float32Array.BYTES_PER_ELEMENT,
  )
  return {
    ...store,
    /** Stores tokens whose values are `mark` more than the tokens. */
    put(tokens: number[], exact: number, mark = 0, adapter: string | null = null) {
      rows.set(
        0,
        tokens.map((token) => token + mark),
      )
      return store.save(adapter, tokens, 0, exact)
    },
    get(tokens: number[], wanted: 'exact' | 'any' = 'any', adapter: string | null = null) {
      const prefix = store.find(adapter, tokens, tokens.length, wanted)
      rows.set(1, [])
      store.load(prefix, 1, 0, prefix.length)
      return rows.get(1) ?? []
    },
  }
}
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)

test('the longest common beginning comes back, to the token', () => {
  const store = storeOf(8)
  store.put(range(0, 80), 80)
  expect(store.get(range(0, 80))).toEqual(range(0, 80))
  expect(store.get([...range(0, 50), 7, 7])).toEqual(range(0, 50))
  expect(store.get([9, ...range(0, 80)])).toEqual([])
})

test('a common beginning is stored once, whole blocks of it', () => {
  const store = storeOf(100)
  for (let end = 0; end < 5; end++) store.put([...range(0, 64), 1_000 + end], 0)
  expect(store.usage().blocks).toBe(2 + 5)
  // What goes on where something ended fills the block up.
  store.put([...range(0, 64), 1_000, 2_000], 0)
  expect(store.usage().blocks).toBe(2 + 5)
  expect(store.get([...range(0, 64), 1_000, 2_000])).toEqual([...range(0, 64), 1_000, 2_000])
})

test('whoever wants exact tokens gets no others, and exact ones take the place of others', () => {
  const store = storeOf(8)
  store.put(range(0, 60), 40, 0.5)
  expect(store.get(range(0, 60), 'exact')).toEqual(range(0, 40).map((token) => token + 0.5))
  expect(store.get(range(0, 60), 'any').length).toBe(60)
  store.put(range(0, 70), 55, 0.25)
  expect(store.get(range(0, 70), 'exact')).toEqual([
    ...range(0, 40).map((token) => token + 0.5),
    ...range(40, 55).map((token) => token + 0.25),
  ])
  // Others never take the place of exact ones.
  store.put(range(0, 70), 0, 0.75)
  expect(store.get(range(0, 55), 'exact')[50]).toBe(50.25)
  expect(store.get(range(0, 70)).length).toBe(70)
})

test('what was not needed for longest goes first, from its end, and never what is being extended', () => {
  const store = storeOf(4)
  store.put(range(0, 64), 64)
  store.put(range(100, 164), 164)
  store.get(range(0, 64))
  store.put(range(200, 232), 32)
  expect(store.get(range(0, 64)).length).toBe(64)
  expect(store.get(range(100, 164)).length).toBe(32)
  expect(store.put(range(300, 600), 300)).toBe(4 * BLOCK_TOKENS)
  expect(store.get(range(300, 600))).toEqual(range(300, 300 + 4 * BLOCK_TOKENS))
  expect(store.usage()).toEqual({ blocks: 4, free: 0, bytes: 4 * BLOCK_TOKENS * 4 })
})

test('adapters share nothing, and one is forgotten alone', () => {
  const store = storeOf(8)
  store.put(range(0, 40), 40)
  store.put(range(0, 40), 40, 0.5, 'a')
  expect(store.get(range(0, 40), 'any', 'a')[3]).toBe(3.5)
  expect(store.get(range(0, 40), 'any', 'b')).toEqual([])
  store.forget('a')
  expect(store.get(range(0, 40), 'any', 'a')).toEqual([])
  expect(store.get(range(0, 40))).toEqual(range(0, 40))
  expect(store.usage()).toMatchObject({ blocks: 2, free: 2 })
})

test('without memory nothing is kept', () => {
  const store = storeOf(0)
  expect(store.put(range(0, 40), 40)).toBe(0)
  expect(store.get(range(0, 40))).toEqual([])
})
