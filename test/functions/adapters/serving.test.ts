import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer } from '../../../functions/inference/http/start-server.ts'
import type { ChatChunk, ChatResponse, OpenAiErrorBody } from '../../../src/contract/chat-completion.ts'
import { defaultModelFolder, QUESTIONS } from '../engine/default-model.ts'
import { MODEL, metric, post, type RealServer, readEvents, settingsFrom, startRealServer } from '../http/real-server.ts'
import { adaptersFolder, EXPECTED, SENTIMENT_FOLDER, sentimentQuestion } from './fixture.ts'

let folder: string
let server: RealServer
beforeAll(async () => {
  folder = adaptersFolder()
  server = await startRealServer(['--adapters-dir', folder])
})
afterAll(async () => {
  await server.stop(0)
  rmSync(folder, { recursive: true })
})

const load = (name: string, path = name) =>
  post(`${server.url}/v1/load_lora_adapter`, { lora_name: name, lora_path: path })
const unload = (name: string) => post(`${server.url}/v1/unload_lora_adapter`, { lora_name: name })

type Asked = { model: string; content: string; temperature?: number; tokens?: number }

const body = ({ model, content, temperature = 0, tokens = 4 }: Asked) => ({
  ...{ model, messages: [{ role: 'user', content }], temperature, seed: 5, max_tokens: tokens, return_token_ids: true },
})

async function ask(asked: Asked) {
  const response = await post(`${server.url}/v1/chat/completions`, body(asked))
  if (response.status !== 200) throw new Error(await response.text())
  const { choices, model, system_fingerprint } = (await response.json()) as ChatResponse
  const ids = choices[0]?.token_ids ?? []
  return { ids, text: choices[0]?.message.content, model, fingerprint: system_fingerprint }
}

/** A stream's ids, and when each came. */
async function watch(asked: Asked, onToken: (count: number) => void = () => {}) {
  const response = await post(`${server.url}/v1/chat/completions`, { ...body(asked), stream: true })
  const ids: number[] = []
  const times: number[] = []
  const { isDone } = await readEvents(response, (event) => {
    const added = (event as ChatChunk).choices[0]?.token_ids ?? []
    if (added.length === 0) return
    ids.push(...added)
    times.push(performance.now())
    onToken(ids.length)
  })
  expect(isDone).toBe(true)
  return { ids, times }
}

const LONG: Asked = { model: MODEL, content: QUESTIONS[1], tokens: 120 }

test('adapters that come and go neither change a running stream nor hold it up', async () => {
  const alone = await watch(LONG)
  expect(alone.ids.length).toBe(LONG.tokens)
  const started = Promise.withResolvers<void>()
  const stream = watch(LONG, (count) => count === 5 && started.resolve())
  await started.promise
  const durations: number[] = []
  const windows: [from: number, to: number][] = []
  // The second one changes other products, so that a session is opened anew each time.
  for (const action of [
    () => load('sentiment'),
    () => load('other'),
    () => unload('sentiment'),
    () => unload('other'),
  ]) {
    const from = performance.now()
    expect((await action()).status).toBe(200)
    windows.push([from, performance.now()])
    durations.push(performance.now() - from)
  }
  const { ids, times } = await stream
  expect(ids).toEqual(alone.ids)
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
  // Had the stream stood still meanwhile, one gap would be as long as the loading.
  expect(Math.max(...gaps)).toBeLessThan(Math.min(durations[0] ?? 0, durations[1] ?? 0) / 2)
  for (const [from, to] of windows.slice(0, 2)) {
    expect(times.filter((time) => time > from && time < to).length).toBeGreaterThan(3)
  }
})

describe('with a real adapter and another one', () => {
  const BESIDE = EXPECTED.rows.slice(0, 6)
  let fresh: Awaited<ReturnType<typeof ask>>[]
  beforeAll(async () => {
    fresh = await Promise.all(BESIDE.map(({ text }) => ask({ model: MODEL, content: sentimentQuestion(text) })))
    for (const name of ['sentiment', 'other']) expect((await load(name)).status).toBe(200)
  })
  afterAll(async () => {
    for (const name of ['sentiment', 'other']) expect((await unload(name)).status).toBe(200)
  })

  test('the answers it was trained for come back, beside rows of the base model that answer as without it', async () => {
    const [adapted, base] = await Promise.all([
      Promise.all(EXPECTED.rows.map(({ text }) => ask({ model: 'sentiment', content: sentimentQuestion(text) }))),
      Promise.all(BESIDE.map(({ text }) => ask({ model: MODEL, content: sentimentQuestion(text) }))),
    ])
    expect(adapted.map(({ text }) => text)).toEqual(EXPECTED.rows.map(({ want }) => want))
    expect(base).toEqual(fresh)
    // What is the same is told apart from what is not.
    expect(adapted[0]).toMatchObject({ model: 'sentiment' })
    expect(adapted[0]?.fingerprint).not.toBe(base[0]?.fingerprint)
    expect(base[0]).toMatchObject({ model: MODEL, fingerprint: server.serving.fingerprint })
  })

  test.each([0, 0.8])(
    'at temperature %s an answer does not depend on company, nor on its adapters',
    async (temperature) => {
      const models = ['other', MODEL, 'sentiment', 'other']
      const asked = models.map((model, index) => ({ model, content: QUESTIONS[index] ?? '', temperature, tokens: 16 }))
      const together = await Promise.all(asked.map(ask))
      for (const [index, one] of asked.entries()) expect(await ask(one)).toEqual(together[index])
      // Else the comparison would say nothing of adapters.
      expect((await ask({ ...asked[0], model: MODEL, content: QUESTIONS[0] })).ids).not.toEqual(together[0]?.ids)
    },
  )

  test('/v1/models lists them below the model they belong to', async () => {
    const { data } = (await (await fetch(`${server.url}/v1/models`)).json()) as {
      data: { id: string; parent?: string }[]
    }
    expect(data.map(({ id, parent }) => [id, parent])).toEqual([
      [MODEL, undefined],
      ['sentiment', MODEL],
      ['other', MODEL],
    ])
  })

  test('an engine that is killed comes back with its adapters', async () => {
    const asked = { model: 'sentiment', content: sentimentQuestion(EXPECTED.rows[0]?.text ?? '') }
    const before = await ask(asked)
    process.kill(server.serving.engine.pid() ?? 0, 'SIGKILL')
    while (server.serving.engine.state() === 'ready') await new Promise(setImmediate)
    expect(await ask(asked)).toEqual(before)
    expect(server.serving.engine.restarts()).toBe(1)
  })
})

test('whoever is being answered keeps an adapter that is unloaded, and another one may have its name meanwhile', async () => {
  const asked = { model: 'name', content: QUESTIONS[3], tokens: 40 }
  await load('name', 'other')
  const alone = await ask(asked)
  const started = Promise.withResolvers<void>()
  const stream = watch(asked, (count) => count === 3 && started.resolve())
  await started.promise
  expect((await unload('name')).status).toBe(200)
  expect((await post(`${server.url}/v1/chat/completions`, body(asked))).status).toBe(404)
  await load('name', 'sentiment')
  const { want, text } = EXPECTED.rows[0] ?? { want: '', text: '' }
  expect((await ask({ model: 'name', content: sentimentQuestion(text) })).text).toBe(want)
  expect((await stream).ids).toEqual(alone.ids)
  await unload('name')
})

test('the prefix cache has nothing of an adapter that is gone, also when the last who used it has hung up', async () => {
  const cached = () => metric(server.url, 'perigee_inference_prefix_cache_bytes')
  // Repeated, so that everything is cached that will be, also what idle time reads again.
  const plain = { model: MODEL, content: QUESTIONS[2] }
  for (let turn = 0; turn < 2; turn++) await ask(plain)
  const before = await cached()
  await load('name', 'sentiment')
  await ask({ model: 'name', content: QUESTIONS[0] })
  expect(await cached()).toBeGreaterThan(before)
  const abort = new AbortController()
  const long = { ...body({ model: 'name', content: QUESTIONS[1], tokens: 100 }), stream: true }
  const stream = await fetch(`${server.url}/v1/chat/completions`, {
    ...{ method: 'POST', headers: { 'content-type': 'application/json' }, signal: abort.signal },
    body: JSON.stringify(long),
  })
  await stream.body?.getReader().read()
  await unload('name')
  abort.abort()
  while (server.serving.engine.inFlight() > 0) await new Promise(setImmediate)
  await ask(plain)
  expect(await cached()).toBe(before)
})

describe('what cannot be loaded is refused, and nothing else happens', () => {
  const refusal = async (path: string, asked: unknown) => {
    const response = await post(server.url + path, asked)
    const { error } = (await response.json()) as OpenAiErrorBody
    return { status: response.status, ...error }
  }
  const LOAD = '/v1/load_lora_adapter'

  test.each<[string, object, object]>([
    ['a path out of the folder', { lora_path: '../lora-sentiment' }, { code: 'adapter_unusable', param: 'lora_path' }],
    ['an absolute path', { lora_path: SENTIMENT_FOLDER }, { code: 'adapter_unusable', param: 'lora_path' }],
    ['a path to nothing', { lora_path: 'nothing' }, { code: 'adapter_unusable', param: 'lora_path' }],
    [
      'a broken file',
      { lora_path: 'broken' },
      { code: 'adapter_unusable', message: expect.stringContaining('cut short') },
    ],
    [
      'a switch it does not know',
      { lora_path: 'dora' },
      { code: 'adapter_unusable', message: expect.stringContaining('use_dora') },
    ],
    ['the name of the model', { lora_name: MODEL }, { code: 'invalid_request', param: 'lora_name' }],
    ['no name', { lora_name: '' }, { code: 'invalid_request', param: 'lora_name' }],
    ['a name with a space', { lora_name: 'a b' }, { code: 'invalid_request', param: 'lora_name' }],
    ['another field', { load_inplace: true }, { code: 'invalid_request' }],
  ])('%s', async (_, change, wanted) => {
    expect(await refusal(LOAD, { lora_name: 'x', lora_path: 'sentiment', ...change })).toMatchObject({
      status: 400,
      ...wanted,
    })
    expect(server.serving.engine.adapters.list()).toEqual([])
  })

  test('a name that is taken, and one that is not there', async () => {
    await load('x', 'sentiment')
    const taken = await refusal(LOAD, { lora_name: 'x', lora_path: 'other' })
    expect(taken).toMatchObject({ status: 400, code: 'invalid_request', param: 'lora_name' })
    await unload('x')
    const gone = await refusal('/v1/unload_lora_adapter', { lora_name: 'x' })
    expect(gone).toMatchObject({ status: 404, code: 'model_not_found', param: 'lora_name' })
  })
})

test('an adapter named at the start is there from the start; one that is wrong keeps the server from starting', async () => {
  const started = await startRealServer(['--slots', '1', '--adapter', `sentiment=${SENTIMENT_FOLDER}`])
  const { data } = (await (await fetch(`${started.url}/v1/models`)).json()) as { data: { id: string }[] }
  expect(data.map(({ id }) => id)).toEqual([MODEL, 'sentiment'])
  // No folder was opened to whoever calls.
  expect(
    (await post(`${started.url}/v1/load_lora_adapter`, { lora_name: 'x', lora_path: SENTIMENT_FOLDER })).status,
  ).toBe(400)
  await started.stop(0)
  const log: string[] = []
  const wrong = await startServer(settingsFrom(['--slots', '1', '--adapter', 'x=/nonexistent']), (line) =>
    log.push(line),
  )
  await expect(wrong.serve(await defaultModelFolder())).rejects.toThrow('adapter')
  expect(log.join()).toContain('The adapter x cannot be used: its files cannot be read (ENOENT)')
  await wrong.stop(0)
})
