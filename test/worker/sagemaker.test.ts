/** The SageMaker adapter with AWS's own client in workerd, before a double that checks signatures and frames event streams. */
import { beforeAll, describe, expect, inject, test } from 'vitest'
import type { ModelEvent, UpstreamCall } from '../../src/chat/ports.ts'
import type { ChatResponse } from '../../src/contract/chat-completion.ts'
import { AppError, type ErrorCode } from '../../src/errors.ts'
import { type AwsIdentity, staticCredentials } from '../../src/upstream/aws-credentials.ts'
import { sagemakerUpstream } from '../../src/upstream/sagemaker-upstream.ts'
import { FAULTS, type FaultName } from '../support/sagemaker/faults.ts'
import { EXPIRED, PLAIN, REGION, SESSION } from '../support/sagemaker/keys.ts'
import type {} from '../support/sagemaker/provided-sagemaker.ts'
import { TOLD } from '../support/sagemaker/told.ts'
import { type Edge, edge } from './edge-client.ts'

const { url } = inject('sagemaker')

type Given = Partial<Parameters<typeof sagemakerUpstream>[0]>

function upstream(given: Given = {}) {
  return sagemakerUpstream({
    ...{ region: REGION, url, endpoint: 'chat-1', credentials: async () => PLAIN },
    fetch: (...call: Parameters<typeof fetch>) => fetch(...call),
    ...given,
  })
}

function callOf(given: Partial<UpstreamCall> = {}, body: object = {}): UpstreamCall {
  const timeouts = { connect: 2_000, firstToken: 5_000, firstTokenWhileWaiting: 5_000, betweenTokens: 5_000 }
  return {
    request: { kind: 'chat', body: { model: 'alias', messages: [{ role: 'user', content: 'Hi €' }], ...body } },
    ...{ model: 'm-1', seed: 7, drawnSeed: false, requestId: 'req_1', tenantId: 'tnt_a' },
    timeouts: { ...timeouts, total: 10_000 },
    ...given,
  }
}

type Told = { headers: Record<string, string>; body: Record<string, unknown> }

/** Reads an answer to its end: the text, and what the container says that it was told. */
async function read(
  events: AsyncIterable<readonly ModelEvent[]>,
): Promise<{ text: string; told: Told; usage: unknown }> {
  let text = ''
  let usage: unknown
  for await (const batch of events) {
    for (const event of batch) {
      usage = event.usage ?? usage
      for (const choice of event.choices) text += 'delta' in choice ? (choice.delta.content ?? '') : choice.text
    }
  }
  const ends = TOLD.join('').length
  return { text: text.slice(0, ends), told: JSON.parse(text.slice(ends)), usage }
}

const ask = async (given: Given = {}, call = callOf(), signal = new AbortController().signal) =>
  read(await upstream(given).open(call, signal))

async function failureOf(given: Given, call = callOf(), signal?: AbortSignal): Promise<AppError> {
  const error = await ask(given, call, signal).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof AppError)) throw new Error(`Not an AppError: ${String(error)}`, { cause: error })
  return error
}

/** Here it comes in hundreds of files, which the suite transforms when they are first asked for; a bundle has it in one. */
beforeAll(async () => void (await import('@aws-sdk/client-sagemaker-runtime')), 60_000)

test('an answer whose parts end within characters and within lines arrives whole', async () => {
  const { text, usage } = await ask()
  expect(text).toBe(TOLD.join(''))
  expect(usage).toEqual({ prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 })
})

describe('an endpoint is asked', () => {
  test('for a stream, with the deployment’s model and the caller’s fields, and nothing that OpenAI would refuse', async () => {
    const { told } = await ask({}, callOf({ drawnSeed: true }, { temperature: 0.5, custom: 1 }))
    expect(told.body).toEqual({
      ...{ model: 'm-1', messages: [{ role: 'user', content: 'Hi €' }], temperature: 0.5, custom: 1 },
      ...{ stream: true, stream_options: { include_usage: true } },
    })
    expect(told.headers).toEqual({
      ...{ 'content-type': 'application/json', accept: 'text/event-stream' },
      ...{ 'x-amzn-sagemaker-inference-id': 'req_1', 'x-amzn-sagemaker-prefix-aware-id': 'tnt_a' },
    })
  })

  test('in the name of its component where it has several, and without an id that is too long', async () => {
    const { told } = await ask({ inferenceComponent: 'chat-7b' }, callOf({ requestId: 'r'.repeat(65) }))
    expect(told.headers['x-amzn-sagemaker-inference-component']).toBe('chat-7b')
    expect(told.headers).not.toHaveProperty('x-amzn-sagemaker-inference-id')
  })

  test('for token ids, and from them, where our server is the container', async () => {
    const continueFrom = { prompt_token_ids: [1, 2], output_token_ids: [3], sent_chars: 4 }
    const { told } = await ask({ tokenIds: true }, callOf({ drawnSeed: true, continueFrom }, { stream: true }))
    expect(told.body).toMatchObject({
      ...{ seed: 7, return_token_ids: true },
      perigee: { drawn_seed: true, continue: continueFrom },
    })
  })

  test('with the session’s token, and with new keys as soon as there are any', async () => {
    let identity: AwsIdentity = EXPIRED
    const endpoint = upstream({ credentials: async () => identity })
    const open = async () => read(await endpoint.open(callOf(), new AbortController().signal))
    await expect(open()).rejects.toMatchObject({ code: 'upstream_misconfigured' })
    identity = SESSION
    expect((await open()).text).toBe(TOLD.join(''))
  })

  test('once, whatever it answers', async () => {
    let calls = 0
    const counted = (...call: Parameters<typeof fetch>) => {
      calls += 1
      return fetch(...call)
    }
    await failureOf({ endpoint: 'unavailable', fetch: counted })
    expect(calls).toBe(1)
  })
})

type Row = [FaultName, ErrorCode, { retryAfterSeconds?: number; param?: string; message?: string }?]

const ROWS: Row[] = [
  ['no-endpoint', 'upstream_misconfigured'],
  ['no-capacity', 'upstream_overloaded', { retryAfterSeconds: 60 }],
  ['too-large', 'body_too_large'],
  ['too-large-413', 'body_too_large'],
  ['not-ready', 'upstream_overloaded'],
  ['throttled', 'upstream_rate_limited', { retryAfterSeconds: 7 }],
  ['throttled-429', 'upstream_rate_limited'],
  ['internal', 'upstream_unavailable'],
  ['dependency', 'upstream_unavailable'],
  ['unavailable', 'upstream_overloaded'],
  ['denied', 'upstream_misconfigured'],
  ['model-400', 'upstream_rejected', { param: 'temperature', message: 'temperature: must be at most 2' }],
  ['model-400-text', 'upstream_rejected', { message: 'The model refused the request.' }],
  ['model-too-long', 'context_length_exceeded', { message: "This model's maximum context length is 512 tokens." }],
  ['model-too-long-cut', 'context_length_exceeded', { message: 'The prompt is longer than the model can read.' }],
  ['model-401', 'upstream_misconfigured'],
  ['model-500', 'upstream_unavailable'],
  ['model-503', 'upstream_overloaded'],
  ['model-429', 'upstream_rate_limited'],
  ['model-silent', 'upstream_timeout'],
  ['page', 'upstream_unavailable'],
  ['no-frames', 'upstream_unavailable'],
  ['elsewhere', 'upstream_misconfigured'],
  ['stream-error', 'upstream_interrupted'],
  ['stream-error-at-once', 'upstream_timeout'],
  ['stream-unknown-at-once', 'upstream_unavailable'],
  ['damaged-at-once', 'upstream_unavailable'],
  ['stream-failure', 'upstream_interrupted'],
  ['stream-unknown-exception', 'upstream_interrupted'],
  ['stream-unknown-error', 'upstream_interrupted'],
  ['cut', 'upstream_interrupted'],
  ['short', 'upstream_interrupted'],
  ['damaged', 'upstream_interrupted'],
  ['huge', 'upstream_interrupted'],
  ['ended', 'upstream_interrupted'],
]
/** They are about time and are tested below. */
const TIMED: FaultName[] = ['silent', 'stall']

describe('what SageMaker says is told in our words', () => {
  test('and no way to fail is left out', () => {
    expect([...ROWS.map(([name]) => name), ...TIMED].sort()).toEqual(Object.keys(FAULTS).sort())
  })

  test.each(ROWS)('%s is %s', async (endpoint, code, more = {}) => {
    const error = await failureOf({ endpoint })
    expect(error).toMatchObject({ code, ...more })
    const log = `${error.message} ${error.cause instanceof Error ? error.cause.message : error.cause}`
    expect(log).not.toMatch(/\d{12}|arn:|Traceback|\/opt\/ml/)
  })

  test.each<[string, Given]>([
    ['a wrong secret', { credentials: async () => ({ ...PLAIN, secretAccessKey: 'wrong' }) }],
    ['an unknown key', { credentials: async () => ({ ...PLAIN, accessKeyId: 'AKIDOTHER' }) }],
    ['an expired token', { credentials: async () => EXPIRED }],
    ['another region', { region: 'us-east-1' }],
    ['no keys at all', { credentials: staticCredentials(() => undefined, undefined) }],
  ])('%s is ours to put right', async (_, given) => {
    expect((await failureOf(given)).code).toBe('upstream_misconfigured')
  })

  test('a container that does not stream is set up wrongly', async () => {
    expect((await failureOf({}, callOf({}, { json: true }))).code).toBe('upstream_misconfigured')
  })

  test('nobody at the address is unavailable', async () => {
    expect((await failureOf({ url: 'http://127.0.0.1:1' })).code).toBe('upstream_unavailable')
  })
})

describe('time', () => {
  const timeouts = { connect: 50, firstToken: 300, firstTokenWhileWaiting: 300, betweenTokens: 300, total: 5_000 }

  test.each(TIMED)('ends what is %s', async (endpoint) => {
    expect((await failureOf({ endpoint }, callOf({ timeouts }))).code).toBe('upstream_timeout')
  })

  test('to the first token is what a container has that sends nothing before', async () => {
    const call = callOf({ timeouts: { ...timeouts, connect: 1, firstToken: 5_000 } })
    expect((await ask({}, call)).text).toBe(TOLD.join(''))
  })

  test('is not wasted on callers who are gone, before and in the middle of an answer', async () => {
    expect((await failureOf({}, callOf(), AbortSignal.abort())).code).toBe('caller_gone')
    const controller = new AbortController()
    let signal: AbortSignal | undefined
    const watched = (request: RequestInfo | URL, init?: RequestInit) => {
      signal = request instanceof Request ? request.signal : undefined
      return fetch(request as Request, init)
    }
    const events = await upstream({ endpoint: 'stall', fetch: watched as typeof fetch }).open(
      callOf(),
      controller.signal,
    )
    const reading = read(events)
    controller.abort()
    await expect(reading).rejects.toMatchObject({ code: 'caller_gone' })
    expect(signal?.aborted).toBe(true)
  })
})

describe('a configured endpoint', () => {
  const ofSagemaker = { adapter: 'sagemaker', region: REGION, endpoint: 'chat-1', model: 'm-1', url }
  const settings = { PERIGEE_ALLOW_INTERNAL_URLS: 'on', UPSTREAM_AWS_KEYS: Object.values(SESSION).join(':') }
  const config = (deployment: object) => ({
    deployments: { aws: { ...ofSagemaker, secret: 'UPSTREAM_AWS_KEYS', ...deployment } },
    models: { chat: { targets: [{ deployment: 'aws' }] } },
  })
  const question = { model: 'chat', messages: [{ role: 'user', content: 'Hi €' }] }
  const apply = async (api: Edge, deployment: object = {}) =>
    (await api.post('/admin/config', config(deployment), { method: 'PUT' })).status

  test('answers through the whole edge, streamed and not', async () => {
    const api = edge(settings)
    expect(await apply(api)).toBe(200)
    const whole = await api.post('/v1/chat/completions', question)
    const { choices, model } = await whole.json<ChatResponse>()
    expect([whole.status, model]).toEqual([200, 'm-1'])
    expect(choices[0]?.message.content).toContain(`${TOLD.join('')}{"headers"`)
    const streamed = await (await api.post('/v1/chat/completions', { ...question, stream: true })).text()
    expect(streamed.endsWith('data: [DONE]\n\n')).toBe(true)
    for (const character of TOLD) expect(streamed).toContain(`"content":${JSON.stringify(character)}`)
  })

  test('whose account refuses us is our fault, and says nothing of the account', async () => {
    const api = edge(settings)
    expect(await apply(api, { endpoint: 'denied' })).toBe(200)
    const refused = await api.post('/v1/chat/completions', question)
    expect(refused.status).toBe(502)
    expect(await refused.text()).not.toMatch(/arn:|\d{12}/)
  })
})
