/** The real embedding model, in its own process. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EmbeddingEngine, openEmbeddingEngine } from '../../../functions/inference/embedding/embedding-engine.ts'
import { DEFAULT_EMBEDDING_MODEL } from '../../../functions/inference/models/embedding-catalogue.ts'
import { readEmbeddingFolder } from '../../../functions/inference/models/embedding-folder.ts'
import { ensureEmbeddingModel } from '../../../functions/inference/models/ensure-embedding-model.ts'

let engine: EmbeddingEngine
const log: string[] = []
const batches: number[] = []
beforeAll(async () => {
  const model = await ensureEmbeddingModel({ name: DEFAULT_EMBEDDING_MODEL })
  const read = model.ok ? readEmbeddingFolder(model.folder) : model
  if (!read.ok) throw new Error(read.message)
  engine = openEmbeddingEngine({
    ...{ folder: read.folder, threads: 2, spinUs: 10, batchMax: 32, waitMs: 100 },
    onBatch: ({ inputs }) => batches.push(inputs),
    log: (line) => log.push(line),
  })
})
afterAll(() => engine.stop())

const never = new AbortController().signal

async function rowsOf(texts: string[], tokensMax: number | null = null) {
  const encoded = await engine.enter(never).encode(texts, tokensMax)
  if (!encoded.ok) throw new Error(encoded.failure.code)
  return encoded.value
}

const embed = (rows: readonly ArrayLike<number>[], signal = never) => engine.enter(signal).embed(rows)

const WORDS = 'the quick brown fox jumps over a lazy dog and then it sleeps near the warm river'.split(' ')
/** Of 1 to 200 words. */
const textOf = (index: number) =>
  Array.from({ length: 1 + ((index * 37) % 200) }, (_, at) => WORDS[(index + at * at) % WORDS.length]).join(' ')

test('what a text gives is bit for bit the same alone and in whatever company', async () => {
  const rows = await rowsOf(Array.from({ length: 40 }, (_, index) => textOf(index)))
  const alone: unknown[] = []
  for (const row of rows) alone.push(await embed([row]))
  expect(await embed(rows)).toEqual({
    ok: true,
    value: alone.flatMap((result) => (result as { value: Float32Array[] }).value),
  })
  expect(Math.max(...batches)).toBeGreaterThan(4)
})

test('a text that is cut keeps its beginning and the tokens at both ends', async () => {
  const [whole = [], cut = []] = [
    ...(await rowsOf(['one two three four'])),
    ...(await rowsOf(['one two three four'], 4)),
  ]
  expect(Array.from(cut)).toEqual([...Array.from(whole).slice(0, 3), Array.from(whole).at(-1)])
})

test('an input that the model cannot take fails alone, not those that it was run with', async () => {
  // Longer than the positions that the graph has.
  const bad = new Array<number>(600).fill(1_000)
  const [hold, good] = await rowsOf([textOf(100), 'A man is eating food.'])
  const before = batches.length
  // The first holds the engine while the others gather.
  const answers = await Promise.all([
    embed([hold ?? []]),
    embed([bad]),
    ...Array.from({ length: 10 }, () => embed([good ?? []])),
  ])
  expect(answers[1]).toMatchObject({
    ok: false,
    failure: { code: 'failed', message: expect.stringContaining('shape') },
  })
  for (const answer of answers.slice(2)) expect(answer).toMatchObject({ ok: true })
  expect(batches.length).toBeGreaterThan(before)
})

test('a caller who leaves takes his inputs along', async () => {
  const [row = []] = await rowsOf(['A man is eating food.'])
  const leaves = new AbortController()
  const left = embed(new Array(100).fill(row), leaves.signal)
  const stays = embed([row])
  leaves.abort()
  expect(await left).toEqual({ ok: false, failure: { code: 'cancelled' } })
  expect(await stays).toMatchObject({ ok: true })
  expect(engine.waiting()).toBe(0)
})

test('when its process is killed, those in the run are told, those who wait are served by the next, and nothing else is lost', async () => {
  const [long = [], short = []] = await rowsOf([textOf(5), 'A man is eating food.'])
  const before = await embed([short])
  // More than one batch: 32 run, the others wait.
  const answers = [embed(new Array(32).fill(long)), embed([short])]
  process.kill(engine.pid() ?? 0, 'SIGKILL')
  expect(await Promise.all(answers)).toEqual([{ ok: false, failure: { code: 'crashed' } }, before])
  expect(engine.restarts()).toBe(1)
  expect(log.join()).toContain('SIGKILL')
})

test('after stop whoever asks is told, and no process is left', async () => {
  const pid = engine.pid() ?? 0
  await engine.stop()
  expect(await embed([[101, 102]])).toEqual({ ok: false, failure: { code: 'unavailable' } })
  expect(() => process.kill(pid, 0)).toThrow('ESRCH')
})
