import { expect, test } from 'vitest'
import { AdapterError } from '../../../functions/inference/adapters/adapter-error.ts'
import { forgetting, keepingOf } from '../../../functions/inference/engine/adapter-prefixes.ts'
import { createAdapterStore } from '../../../functions/inference/engine/adapter-store.ts'
import { BLOCK_TOKENS, createPrefixStore } from '../../../functions/inference/engine/prefix-store.ts'

function open() {
  const there = new Set<string>()
  const host = {
    async addAdapter(key: string) {
      there.add(key)
    },
    removeAdapter(key: string) {
      there.delete(key)
    },
  }
  const store = createAdapterStore(host, async (folder) => {
    if (folder === 'broken') throw new AdapterError('it is broken')
    return { adapter: { products: new Map() }, digest: `digest of ${folder}`, baseModel: null }
  })
  return { store, there }
}

test('an unloaded adapter stays until the last request that uses it has ended, and no longer', async () => {
  const { store, there } = open()
  await store.load({ name: 'a', folder: 'one' })
  const key = store.hold(1, 'a')
  expect(store.hold(2, 'a')).toBe(key)
  store.unload('a')
  expect(() => store.hold(3, 'a')).toThrow('not loaded')
  store.release(1)
  store.release(1)
  store.release(99)
  expect([...there]).toEqual([key])
  store.release(2)
  expect(there.size).toBe(0)
})

test('an adapter that nobody uses goes at once, and one that is loaded stays whoever ends', async () => {
  const { store, there } = open()
  await store.load({ name: 'a', folder: 'one' })
  store.hold(1, 'a')
  store.release(1)
  expect(there.size).toBe(1)
  store.unload('a')
  store.unload('a')
  expect(there.size).toBe(0)
})

test('a key stands for the same weights for ever, whatever has the name later', async () => {
  const { store, there } = open()
  await store.load({ name: 'a', folder: 'one' })
  const first = store.hold(1, 'a')
  store.unload('a')
  await store.load({ name: 'a', folder: 'two' })
  const second = store.hold(2, 'a')
  expect(second).not.toBe(first)
  expect(there).toEqual(new Set([first, second]))
})

test('what cannot be read is an answer, and so are files that have changed since', async () => {
  const { store, there } = open()
  expect(await store.load({ name: 'a', folder: 'broken' })).toEqual({ ok: false, name: 'a', message: 'it is broken' })
  const changed = await store.load({ name: 'a', folder: 'one', digest: 'another' })
  expect(changed).toMatchObject({ ok: false, message: expect.stringContaining('not those') })
  expect(await store.load({ name: 'a', folder: 'one', digest: 'digest of one' })).toMatchObject({ ok: true })
  expect(there.size).toBe(1)
})

test('what was computed with an adapter goes with it, and nothing of it is kept afterwards', async () => {
  const rows = { tokenFloats: 1, saveTokens() {}, loadTokens() {} }
  const prefixes = createPrefixStore(rows, 8 * BLOCK_TOKENS * Float32Array.BYTES_PER_ELEMENT)
  const host = { async addAdapter() {}, removeAdapter() {} }
  const packed = { adapter: { products: new Map() }, digest: '', baseModel: null }
  const adapters = createAdapterStore(forgetting(host, prefixes), async () => packed)
  const store = keepingOf(adapters.isThere, prefixes)
  const tokens = new Array<number>(2 * BLOCK_TOKENS).fill(1)

  await adapters.load({ name: 'a', folder: 'one' })
  const key = adapters.hold(1, 'a')
  expect(store.save(null, tokens, 0, 0)).toBe(tokens.length)
  expect(store.save(key, tokens, 0, 0)).toBe(tokens.length)
  adapters.unload('a')
  expect(store.usage().blocks).toBe(4)
  adapters.release(1)
  expect(store.usage()).toMatchObject({ blocks: 2, free: 2 })
  // The request was cancelled while the model ran: its row leaves now.
  expect(store.save(key, tokens, 0, 0)).toBe(0)
  expect(store.usage().blocks).toBe(2)
  expect(store.find(null, tokens, tokens.length, 'any').length).toBe(tokens.length)
})
