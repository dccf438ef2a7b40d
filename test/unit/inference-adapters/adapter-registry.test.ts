import { expect, test } from 'vitest'
import { ADAPTERS_MAX, createAdapterRegistry } from '../../../functions/inference/engine/adapter-registry.ts'
import type { LoadedAdapter, ToEngine } from '../../../functions/inference/engine/engine-messages.ts'

const adapter = (name: string): LoadedAdapter => ({
  name,
  folder: `/${name}`,
  digest: `digest ${name}`,
  baseModel: null,
})

function open(names: string[] = []) {
  const posted: ToEngine[] = []
  const engine = { isServing: true }
  const registry = createAdapterRegistry(
    names.map((name) => ({ name, folder: `/${name}` })),
    (message) => {
      if (engine.isServing) posted.push(message)
      return engine.isServing
    },
  )
  return { registry, posted, engine }
}

test('an engine that is started again gets the adapters of the one before, by their digests', async () => {
  const { registry } = open(['given'])
  expect(registry.sources()).toEqual([{ name: 'given', folder: '/given' }])
  registry.started([{ ok: true, adapter: adapter('given') }])
  const loading = registry.load({ name: 'late', folder: '/late' })
  registry.loaded({ ok: true, adapter: adapter('late') })
  expect(await loading).toMatchObject({ ok: true })
  registry.unload('given')
  registry.died()
  expect(registry.sources()).toEqual([{ name: 'late', folder: '/late', digest: 'digest late' }])
})

test('one that cannot be loaded again is gone, and is told', () => {
  const { registry } = open(['a', 'b'])
  const failed = registry.started([
    { ok: false, name: 'a', message: 'gone' },
    { ok: true, adapter: adapter('b') },
  ])
  expect(failed).toEqual([{ ok: false, name: 'a', message: 'gone' }])
  expect(registry.list().map(({ name }) => name)).toEqual(['b'])
})

test('what is unloaded while the engine starts is unloaded when it has', () => {
  const { registry, posted, engine } = open(['a'])
  engine.isServing = false
  expect(registry.unload('a')).toBe(true)
  engine.isServing = true
  const results = [{ ok: true as const, adapter: adapter('a') }]
  expect(registry.started(results)).toEqual([])
  registry.unloadLeftovers(results)
  expect(registry.list()).toEqual([])
  expect(posted).toEqual([{ type: 'unload_adapter', name: 'a' }])
})

test('whoever loads is answered: when the engine dies, does not run, has the name, or is full', async () => {
  const { registry, engine } = open()
  const dying = registry.load({ name: 'a', folder: '/a' })
  expect(await registry.load({ name: 'a', folder: '/a' })).toMatchObject({
    message: expect.stringContaining('already'),
  })
  registry.died()
  expect(await dying).toMatchObject({ ok: false, message: expect.stringContaining('died') })
  expect(registry.has('a')).toBe(false)
  engine.isServing = false
  expect(await registry.load({ name: 'a', folder: '/a' })).toMatchObject({
    message: expect.stringContaining('not running'),
  })
  engine.isServing = true
  for (let index = 0; index < ADAPTERS_MAX; index++) void registry.load({ name: `n${index}`, folder: '/n' })
  expect(await registry.load({ name: 'a', folder: '/a' })).toMatchObject({ message: expect.stringContaining('most') })
})
