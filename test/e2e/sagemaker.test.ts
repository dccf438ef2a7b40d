/** AWS's client in the platform's own workerd, SageMaker's double, and the real inference server as its container. Only AWS is missing. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { UpstreamCall } from '../../src/chat/ports.ts'
import type { ChatChunk, TextResponse } from '../../src/contract/chat-completion.ts'
import { MODEL, post, type RealServer, startRealServer } from '../functions/http/real-server.ts'
import { type PlainWorkerd, plainWorkerd } from '../support/plain-workerd.ts'
import { KEYS, REGION, SESSION } from '../support/sagemaker/keys.ts'
import { containerAt, type SagemakerDouble, sagemakerDouble } from '../support/sagemaker/sagemaker-double.ts'
import { until } from '../support/until.ts'

const SERVER_KEY = 'a-key-that-sagemaker-does-not-know'
let server: RealServer
let double: SagemakerDouble
let worker: PlainWorkerd

beforeAll(async () => {
  server = await startRealServer(['serve', '--host', '127.0.0.1'], { PERIGEE_INFERENCE_KEY: SERVER_KEY })
  double = await sagemakerDouble({ region: REGION, keys: KEYS, container: containerAt(server.url), partBytes: 7 })
  worker = await plainWorkerd(join(import.meta.dirname, '../worker/sagemaker-worker.ts'), {
    ...{ SAGEMAKER_URL: double.url, SAGEMAKER_REGION: REGION },
    UPSTREAM_AWS: Object.values(SESSION).join(':'),
  })
})
afterAll(async () => {
  await worker?.stop()
  await double?.close()
  await server?.stop(0)
})

const second = 1_000
const timeouts = {
  connect: second,
  firstToken: 30 * second,
  firstTokenWhileWaiting: 60 * second,
  betweenTokens: 30 * second,
}

function callOf(seed: number, given: Partial<UpstreamCall> = {}): UpstreamCall {
  const messages = [{ role: 'user' as const, content: `Write about the number ${seed}, in German.` }]
  return {
    request: { kind: 'chat', body: { model: MODEL, messages, max_tokens: 40, stream: true } },
    ...{ model: MODEL, seed, drawnSeed: false, requestId: `req_${seed}`, tenantId: 'tnt_a' },
    timeouts: { ...timeouts, total: 90 * second },
    ...given,
  }
}

const open = (call: UpstreamCall, init: RequestInit = {}) =>
  fetch(worker.url, { method: 'POST', body: JSON.stringify(call), ...init })

type Read = { text: string; ids: number[]; promptIds: number[]; usage: unknown; reason: unknown }

async function ask(call: UpstreamCall): Promise<Read> {
  const response = await open(call)
  const lines = await response.text()
  if (response.status !== 200) throw new Error(lines)
  const read: Read = { text: '', ids: [], promptIds: [], usage: undefined, reason: undefined }
  for (const line of lines.trim().split('\n')) {
    const event: ChatChunk | TextResponse = JSON.parse(line)
    read.usage = event.usage ?? read.usage
    if ('prompt_token_ids' in event && event.prompt_token_ids) read.promptIds = event.prompt_token_ids
    for (const choice of event.choices) {
      read.text += 'delta' in choice ? (choice.delta.content ?? '') : choice.text
      read.ids.push(...(choice.token_ids ?? []))
      read.reason = choice.finish_reason ?? read.reason
    }
  }
  return read
}

/** What the server says to the same without SageMaker between. */
async function direct(seed: number): Promise<string> {
  const { body } = callOf(seed).request
  const answer = await post(
    `${server.url}/v1/chat/completions`,
    { ...body, seed, stream: false },
    { authorization: `Bearer ${SERVER_KEY}` },
  )
  const { choices } = (await answer.json()) as { choices: { message: { content: string } }[] }
  return choices[0]?.message.content ?? ''
}

test('an answer through SageMaker is the server’s own, with usage and each token’s id', async () => {
  const answer = await ask(callOf(1))
  expect(answer.text).toBe(await direct(1))
  expect(answer.text.length).toBeGreaterThan(20)
  expect(answer.usage).toMatchObject({ completion_tokens: answer.ids.length, prompt_tokens: answer.promptIds.length })
})

test('requests side by side share AWS’s client and not their fates', async () => {
  const seeds = [1, 2, 3, 4, 5, 6]
  const gone = new AbortController()
  const leaving = open(callOf(7), { signal: gone.signal }).then((response) => response.body?.getReader().read())
  const answers = Promise.all(seeds.map((seed) => ask(callOf(seed))))
  await leaving
  gone.abort()
  const texts = (await answers).map(({ text }) => text)
  for (const [index, seed] of seeds.entries()) expect(texts[index]).toBe(await direct(seed))
})

test('an answer that was cut goes on from its token ids, to the same end', async () => {
  const whole = await ask(callOf(11))
  for (const [kept, sent_chars] of [
    [1, 0],
    [9, 5],
    [23, 20],
  ] as const) {
    const output_token_ids = whole.ids.slice(0, kept)
    const continueFrom = { prompt_token_ids: whole.promptIds, output_token_ids, sent_chars }
    const rest = await ask(callOf(11, { continueFrom }))
    expect(rest.text).toBe(whole.text.slice(sent_chars))
    expect(rest.usage).toMatchObject({ prompt_tokens: whole.promptIds.length, completion_tokens: whole.ids.length })
  }
})

test('a prompt is continued as it stands', async () => {
  const text = await ask(
    callOf(1, { request: { kind: 'text', body: { model: MODEL, prompt: 'Once upon', max_tokens: 12 } } }),
  )
  expect(text).toMatchObject({ usage: { completion_tokens: 12 }, reason: 'length' })
  expect(text.ids.length).toBe(12)
})

test('the container’s refusals are as without SageMaker', async () => {
  const messages = [{ role: 'user' as const, content: 'word '.repeat(600) }]
  const long = await open(callOf(1, { request: { kind: 'chat', body: { model: MODEL, messages } } }))
  expect(await long.json()).toMatchObject({ code: 'context_length_exceeded', param: 'messages' })
  const other = await open(callOf(1, { model: 'another' }))
  expect(await other.json()).toMatchObject({ code: 'upstream_misconfigured' })
})

test('a caller who leaves stops the model', async () => {
  const gone = new AbortController()
  const { body } = callOf(1).request
  const endless = { kind: 'chat' as const, body: { ...body, max_tokens: 400, ignore_eos: true } }
  const response = await open(callOf(1, { request: endless as UpstreamCall['request'] }), { signal: gone.signal })
  await response.body?.getReader().read()
  expect(server.serving.engine.inFlight()).toBe(1)
  gone.abort()
  await until('nothing runs', () => server.serving.engine.inFlight() === 0, 10 * second)
})
