/** The two plain routes of the requirements as a caller sees them: POST /generate, and POST /chat around its conversations. */
import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { allPorts, wholeApp } from '../../src/whole-app.ts'
import { type ModelServer, modelServer } from './conversation-model-server.ts'

const wired = allPorts(env)
const app = wholeApp(() => ({
  ...wired,
  keys: { find: async () => ({ tenantId: 'tnt_routes', keyId: 'key_1', scopes: ['chat'] }) },
  settings: { ...wired.settings, logLevel: 'silent' },
}))
let model: ModelServer

beforeEach(() => {
  model = modelServer()
  // The object writes why a turn failed; here turns fail on purpose.
  vi.spyOn(console, 'log').mockImplementation(() => {})
})
afterEach(() => {
  vi.restoreAllMocks()
})

async function post(path: string, body: unknown): Promise<Response> {
  return app.fetch(
    new Request(`https://edge.test${path}`, {
      method: 'POST',
      headers: { authorization: 'Bearer any', 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
    env,
    createExecutionContext(),
  )
}

async function expectProblem(response: Response, status: number, code: string, field?: string): Promise<void> {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const problem = await response.json<{ detail: string }>()
  expect(problem).toMatchObject({ status, code })
  // An unknown field is named in the detail: `param` is where it stands.
  if (field !== undefined) expect(JSON.stringify(problem)).toContain(field)
  expect(response.status).toBe(status)
}

describe('POST /generate', () => {
  test('continues the text with the default model at temperature 0, 100 new tokens unless told', async () => {
    model.replies = [{ text: ' upon a time' }, { text: ' more' }]
    const response = await post('/generate', { text: 'Once' })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ generated_text: ' upon a time' })
    await post('/generate', { text: 'Once', max_length: 7 })
    expect(
      model.calls.map(({ path, body }) => [path, body.model, body.prompt, body.temperature, body.max_tokens]),
    ).toEqual([
      ['/v1/completions', 'smollm2-135m-instruct', 'Once', 0, 100],
      ['/v1/completions', 'smollm2-135m-instruct', 'Once', 0, 7],
    ])
  })

  test.each([
    ['text', {}],
    ['text', { text: '' }],
    ['text', { text: 'x'.repeat(262_145) }],
    ['max_length', { text: 'x', max_length: 0 }],
    ['max_length', { text: 'x', max_length: 1.5 }],
    ['temperature', { text: 'x', temperature: 1 }],
  ])('names the wrong field %s', async (field, body) => {
    await expectProblem(await post('/generate', body), 400, 'invalid_request', field)
    expect(model.calls).toEqual([])
  })

  test('a cut answer is an error', async () => {
    model.replies = [{ text: 'half of it', cut: true }]
    await expectProblem(await post('/generate', { text: 'x' }), 502, 'upstream_interrupted')
  })
})

describe('POST /chat', () => {
  test('answers, and goes on under the id that it gave', async () => {
    const response = await post('/chat', { message: 'hello', user_id: 'u' })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^application\/json/)
    const { conversation_id } = await response.json<{ conversation_id: string }>()
    const next = await post('/chat', { message: 'more', user_id: 'u', conversation_id })
    expect(await next.json()).toMatchObject({ response: 'answer 2', conversation_id })
    expect(model.completions().at(-1)?.body.messages).toHaveLength(3)
  })

  test.each([
    ['message', { user_id: 'u' }],
    ['message', { message: '', user_id: 'u' }],
    ['message', { message: 'x'.repeat(262_145), user_id: 'u' }],
    ['user_id', { message: 'x' }],
    ['conversation_id', { message: 'x', user_id: 'u', conversation_id: 'conv_short' }],
    ['stream', { message: 'x', user_id: 'u', stream: true }],
    ['model_config.temperature', { message: 'x', user_id: 'u', model_config: { temperature: 3 } }],
    ['top_k', { message: 'x', user_id: 'u', model_config: { top_k: 3 } }],
  ])('names the wrong field %s', async (field, body) => {
    await expectProblem(await post('/chat', body), 400, 'invalid_request', field)
    expect(model.calls).toEqual([])
  })

  test('refuses as problems: an unknown conversation, an unknown model, a model that is down', async () => {
    const unknown = { message: 'x', user_id: 'u', conversation_id: `conv_${'0'.repeat(32)}` }
    await expectProblem(await post('/chat', unknown), 404, 'conversation_not_found', 'conversation_id')
    const noModel = { message: 'x', user_id: 'u', model_config: { model: 'nope' } }
    await expectProblem(await post('/chat', noModel), 404, 'model_not_found', 'model_config.model')
    // A model that is only busy would be asked again.
    model.replies = [{ status: 504, error: { message: 'silent', type: 'timeout_error' } }]
    await expectProblem(await post('/chat', { message: 'x', user_id: 'u' }), 504, 'upstream_timeout')
  })
})
