/** /v1/embeddings with the real model. No chat model is loaded: embedding does not need one. */
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { INPUTS_WAITING_MAX } from '../../../functions/inference/embedding/embedding-engine.ts'
import { openEmbeddingService } from '../../../functions/inference/embedding/embedding-service.ts'
import { type RunningServer, startServer } from '../../../functions/inference/http/start-server.ts'
import type { OpenAiErrorBody } from '../../../src/contract/chat-completion.ts'
import type { EmbeddingResponse } from '../../../src/contract/embeddings.ts'
import { until } from '../../support/until.ts'
import { metric, post, settingsFrom } from './real-server.ts'

const MODEL = 'all-minilm-l6-v2'
const EATING = 'A man is eating food.'

let server: RunningServer
let openai: OpenAI
const log: string[] = []
beforeAll(async () => {
  server = await startServer(settingsFrom(['--embedding-model', 'all-minilm-l6-v2']), (line) => log.push(line))
  // Fetched beforehand, so that no test finds it on its way; loaded by the first request.
  const store = openEmbeddingService({
    ...{ model: MODEL, threads: 2, spinUs: 10, batchMax: 1, waitMs: 0, onBatch() {}, log: (line) => log.push(line) },
  })
  await store.start()
  await store.stop()
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
})
afterAll(() => server.stop(0))

const ask = (body: object) => post(`${server.url}/v1/embeddings`, { model: MODEL, ...body })
async function embed(body: object): Promise<EmbeddingResponse> {
  const response = await ask(body)
  if (!response.ok) throw new Error(await response.text())
  return (await response.json()) as EmbeddingResponse // The shape is what the tests check.
}
async function refusal(body: object) {
  const response = await ask(body)
  const { error } = (await response.json()) as OpenAiErrorBody
  return { status: response.status, ...error }
}
const dot = (one: readonly number[], other: readonly number[]) =>
  one.reduce((sum, value, index) => sum + value * (other[index] ?? 0), 0)

describe("OpenAI's client", () => {
  test('gets vectors of length 1 that are near where texts mean the same', async () => {
    const input = [EATING, 'A man is eating a piece of bread.', 'The girl is carrying a baby.']
    const { data, model, usage } = await openai.embeddings.create({ model: MODEL, input, encoding_format: 'float' })
    const [eating = [], bread = [], baby = []] = data.map(({ embedding }) => embedding)
    expect(dot(eating, bread)).toBeCloseTo(0.7535, 3)
    expect(dot(eating, baby)).toBeCloseTo(-0.1055, 3)
    for (const vector of [eating, bread, baby]) {
      expect(vector).toHaveLength(384)
      expect(dot(vector, vector)).toBeCloseTo(1, 6)
    }
    expect(data.map(({ index }) => index)).toEqual([0, 1, 2])
    expect({ model, usage }).toEqual({ model: MODEL, usage: { prompt_tokens: 28, total_tokens: 28 } })
  })

  test('gets the same numbers in base64, which it asks for unless told otherwise', async () => {
    const plain = await openai.embeddings.create({ model: MODEL, input: EATING, encoding_format: 'float' })
    const packed = await openai.embeddings.create({ model: MODEL, input: EATING, dimensions: 384, user: 'u' })
    expect(packed.data).toEqual(plain.data)
    const raw = await embed({ input: EATING, encoding_format: 'base64' })
    expect(Buffer.from(String(raw.data[0]?.embedding), 'base64')).toHaveLength(4 * 384)
  })

  test('finds the model beside the chat model, and an error as its own class', async () => {
    await expect(openai.embeddings.create({ model: 'ada', input: 'a' })).rejects.toThrow(OpenAI.NotFoundError)
    await expect(openai.embeddings.create({ model: MODEL, input: '' })).rejects.toThrow(OpenAI.BadRequestError)
  })
})

test('token ids are embedded as they are, and a cut text as its beginning', async () => {
  const [text, ids, listed] = await Promise.all([
    embed({ input: EATING }),
    embed({ input: [101, 1037, 2158, 2003, 5983, 2833, 1012, 102] }),
    embed({ input: [[101, 1037, 2158, 2003, 5983, 2833, 1012, 102]] }),
  ])
  expect(ids).toEqual(text)
  expect(listed).toEqual(text)
  const cut = await embed({ input: `${EATING} Or so it seems.`, truncate_prompt_tokens: 8 })
  expect(cut).toEqual(text)
  const long = await embed({ input: 'word '.repeat(3_000), truncate_prompt_tokens: -1 })
  expect(long.usage.prompt_tokens).toBe(256)
})

test('64 callers at once each get what they get alone, bit for bit', async () => {
  const inputs = Array.from({ length: 64 }, (_, index) => `Number ${index}${' and so on'.repeat(index % 7)}`)
  const alone: EmbeddingResponse[] = []
  for (const input of inputs) alone.push(await embed({ input }))
  const batches = () => metric(server.url, 'perigee_inference_embedding_batch_seconds_count')
  const before = await batches()
  const together = await Promise.all(inputs.map((input) => embed({ input })))
  expect(together).toEqual(alone)
  expect((await batches()) - before).toBeLessThan(16)
})

test('one wrong input among 40 callers is its caller s alone', async () => {
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) => ask({ input: index === 17 ? ['a', [99_999]] : ['a', `b ${index}`] })),
  )
  const statuses = answers.map(({ status }) => status)
  expect(statuses).toEqual(Array.from({ length: 40 }, (_, index) => (index === 17 ? 400 : 200)))
})

describe('a request is refused by name', () => {
  test.each([
    [{ input: '' }, 'input'],
    [{ input: [] }, 'input'],
    [{ input: ['a', ''] }, 'input[1]'],
    [{ input: [1, 2.5] }, 'input[1]'],
    [{ input: [[5], [5, 30_522]] }, 'input[1][1]'],
    [{ input: 'word '.repeat(300) }, 'input'],
    [{ input: ['a', 'word '.repeat(300)] }, 'input[1]'],
    [{ input: ['a', ' '.repeat(9_000)] }, 'input[1]'],
    [{ input: [new Array(257).fill(5)] }, 'input[0]'],
    [{ input: new Array(2_049).fill('a') }, 'input'],
    [{ input: new Array(1_200).fill(new Array(256).fill(5)) }, 'input'],
    [{ input: 'a', dimensions: 256 }, 'dimensions'],
    [{ input: 'a', encoding_format: 'int8' }, 'encoding_format'],
    [{ input: 'a', truncate_prompt_tokens: 257 }, 'truncate_prompt_tokens'],
    [{ input: 'a', truncate_prompt_tokens: 0 }, 'truncate_prompt_tokens'],
    [{ input: 'a', temperature: 0 }, 'temperature'],
  ])('%j', async (body, param) => {
    expect(await refusal(body)).toMatchObject({ status: 400, type: 'invalid_request_error', param })
  })

  test('another model than the one there is', async () => {
    expect(await refusal({ model: 'ada', input: 'a' })).toMatchObject({ status: 404, code: 'model_not_found' })
  })
})

describe('a long queue', () => {
  const waiting = () => metric(server.url, 'perigee_inference_embedding_waiting')
  const callers = (count: number, signal: AbortSignal) =>
    Array.from({ length: count }, () =>
      fetch(`${server.url}/v1/embeddings`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: MODEL, input: new Array(2_048).fill(new Array(100).fill(1_037)) }),
        signal,
      }),
    )

  test('is full at some point, and tells when to come again; who leaves makes room', async () => {
    const leave = new AbortController()
    const asked = callers(INPUTS_WAITING_MAX / 2_048 + 2, leave.signal)
    const refused = await Promise.race(asked)
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await refused.json()).toMatchObject({ error: { code: 'queue_full' } })
    expect(await waiting()).toBeGreaterThan(4_096)
    leave.abort()
    await Promise.allSettled(asked)
    // All of it would take minutes.
    await until('nothing waits', async () => (await waiting()) === 0, 10_000)
    expect((await ask({ input: EATING })).status).toBe(200)
  })
})

test('a server without an embedding model says so', async () => {
  const without = await startServer(settingsFrom(['--embedding-model', 'none']), () => {})
  const response = await post(`${without.url}/v1/embeddings`, { model: MODEL, input: 'a' })
  expect(response.status).toBe(404)
  await without.stop(0)
  await expect(startServer(settingsFrom(['--embedding-model', 'ada']), () => {})).rejects.toThrow('all-minilm-l6-v2')
  await expect(startServer(settingsFrom(['--embedding-model', '/nowhere/']), () => {})).rejects.toThrow('/nowhere/')
})
