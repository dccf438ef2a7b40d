import { setTimeout as pause } from 'node:timers/promises'
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChatChunk } from '../../../src/contract/chat-completion.ts'
import { MODEL, metric, post, type RealServer, readEvents, startRealServer } from './real-server.ts'

let server: RealServer
let client: OpenAI
beforeAll(async () => {
  server = await startRealServer(['--slots', '2', '--queue', '3', '--chunk', '16'])
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'unused', maxRetries: 0 })
})
afterAll(() => server.stop(0))

const LONG = {
  ...{ model: MODEL, temperature: 0.8, seed: 1, max_tokens: 400 },
  messages: [{ role: 'user' as const, content: 'Write a very long story about a dog and a boat.' }],
}

/** Two steps of this model on a busy machine, and what the news of a closed socket takes. */
const FREED_WITHIN_MS = 2_000

/** Until nobody waits, prefills or generates, neither by the server's count nor by what the engine last said of itself. */
async function untilFree(): Promise<void> {
  const started = performance.now()
  while ((await taken()) > 0) {
    if (performance.now() - started > FREED_WITHIN_MS) throw new Error('The slot is still taken.')
    await pause(5)
  }
}

async function taken(): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text()
  const gauges = [...text.matchAll(/^perigee_inference_(?:waiting|prefilling|decoding|in_flight) (\d+)$/gm)]
  expect(gauges.length).toBe(4)
  return gauges.reduce((sum, [, value]) => sum + Number(value), 0)
}

test('the openai package chats, streams, lists models, and gets errors it knows', async () => {
  const answer = await client.chat.completions.create({ ...LONG, max_tokens: 3 })
  expect(answer.usage?.completion_tokens).toBe(3)
  const stream = await client.chat.completions.create({ ...LONG, max_tokens: 3, stream: true })
  let text = ''
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
  expect(text).toBe(answer.choices[0]?.message.content)
  expect((await client.models.list()).data.map(({ id }) => id)).toEqual([MODEL])
  await expect(client.chat.completions.create({ ...LONG, temperature: 9 })).rejects.toThrow(OpenAI.BadRequestError)
  await expect(client.chat.completions.create({ ...LONG, model: 'other' })).rejects.toThrow(OpenAI.NotFoundError)
})

test('a caller who hangs up in the middle of a stream frees the slot at once', async () => {
  const stream = await client.chat.completions.create({ ...LONG, stream: true })
  let chunks = 0
  for await (const _ of stream) if (++chunks === 4) break
  await untilFree()
  const generated = await metric(server.url, 'perigee_inference_tokens_total{kind="generated"}')
  await pause(200)
  expect(await metric(server.url, 'perigee_inference_tokens_total{kind="generated"}')).toBe(generated)
})

test('so does one who waits for a whole answer, or whose prompt is being read, or who waits for a slot', async () => {
  const hangUps = Array.from({ length: 4 }, () => new AbortController())
  const prompt = new Array<number>(450).fill(504)
  const asked = hangUps.map(({ signal }, index) =>
    fetch(`${server.url}/v1/${index % 2 === 0 ? 'chat/completions' : 'completions'}`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' }, signal },
      body: JSON.stringify(index % 2 === 0 ? LONG : { model: MODEL, prompt, max_tokens: 50 }),
    }).catch(() => 'hung up'),
  )
  while ((await metric(server.url, 'perigee_inference_in_flight')) < hangUps.length) await pause(5)
  for (const controller of hangUps) controller.abort()
  expect(await Promise.all(asked)).toEqual(hangUps.map(() => 'hung up'))
  await untilFree()
})

test('more callers than slots and queue hold are told to come again, before any stream begins', async () => {
  const controller = new AbortController()
  const asked = Array.from({ length: 5 }, () =>
    fetch(`${server.url}/v1/chat/completions`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' }, signal: controller.signal },
      body: JSON.stringify({ ...LONG, stream: true }),
    }).catch(() => null),
  )
  while ((await metric(server.url, 'perigee_inference_in_flight')) < 5) await pause(5)
  const refused = await post(`${server.url}/v1/chat/completions`, { ...LONG, stream: true })
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(await refused.json()).toMatchObject({ error: { code: 'queue_full' } })
  controller.abort()
  await Promise.all(asked)
  await untilFree()
})

test('while a request waits for a slot its caller is told every two seconds that it is alive', async () => {
  const controller = new AbortController()
  const ahead = await Promise.all(
    [1, 2].map((seed) =>
      fetch(`${server.url}/v1/chat/completions`, {
        ...{ method: 'POST', headers: { 'content-type': 'application/json' }, signal: controller.signal },
        body: JSON.stringify({ ...LONG, seed, stream: true }),
      }),
    ),
  )
  const started = performance.now()
  const response = await post(`${server.url}/v1/chat/completions`, { ...LONG, max_tokens: 1, stream: true })
  // Headers come while both slots are taken by others.
  expect(performance.now() - started).toBeLessThan(1_000)
  setTimeout(() => {
    controller.abort()
    for (const other of ahead) other.body?.cancel().catch(() => {})
  }, 2_500)
  const { comments, isDone } = await readEvents(response)
  expect(comments).toEqual([': waiting'])
  expect(isDone).toBe(true)
})

test('kill -9 of the engine in mid-stream: an error event and no [DONE]; the next request is answered within 5 s', async () => {
  const response = await post(`${server.url}/v1/chat/completions`, { ...LONG, stream: true })
  let isKilled = false
  const { events, isDone } = await readEvents(response, () => {
    if (isKilled) return
    isKilled = true
    process.kill(server.serving.engine.pid() ?? 0, 'SIGKILL')
  })
  expect(events.length).toBeGreaterThan(1)
  expect(events.at(-1)).toMatchObject({ error: { code: 'engine_crashed', type: 'server_error' } })
  expect(isDone).toBe(false)

  const killed = performance.now()
  const next = await post(`${server.url}/v1/chat/completions`, { ...LONG, max_tokens: 2, stream: true })
  const after = await readEvents(next)
  expect(after.isDone).toBe(true)
  expect((after.events as ChatChunk[]).at(-1)?.choices[0]?.finish_reason).toBe('length')
  expect(performance.now() - killed).toBeLessThan(5_000)
  expect(await metric(server.url, 'perigee_inference_engine_restarts')).toBe(1)
})
