/** The whole path: the official client and curl -> the Worker in workerd -> our inference server -> a real model. */
import { execFile } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeStateDir, type Stack, startStack } from '../support/stack.ts'
import { until } from '../support/until.ts'

const MODEL = 'smollm2-135m-instruct'
const SEVEN_PLUS_FIVE = [{ role: 'user' as const, content: 'What is 7 + 5?' }]
/** The environment of everything here: what it says reaches both programs. */
const INFERENCE_KEY = 'e2e-key-of-the-inference-$ERVER'
const SETTINGS = { PERIGEE_INFERENCE_KEY: INFERENCE_KEY, PERIGEE_LOG_LEVEL: 'warn' }
const state = makeStateDir()
let stack: Stack
let openai: OpenAI

beforeAll(async () => {
  stack = await startStack(state.path, undefined, SETTINGS)
  openai = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: stack.key, maxRetries: 0 })
})
afterAll(async () => {
  await stack?.stop()
  state.remove()
})

/** One sample of the inference server's own metrics. */
async function inferenceMetric(name: string): Promise<number> {
  const headers = { authorization: `Bearer ${INFERENCE_KEY}` }
  const text = await (await fetch(`${stack.inferenceUrl}/metrics`, { headers })).text()
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `))
  if (!line) throw new Error(`no ${name} in:\n${text}`)
  return Number(line.split(' ').at(-1))
}

describe('npm start', () => {
  test('prints a curl line that works when pasted', async () => {
    const line = stack
      .output()
      .split('\n')
      .find((candidate) => candidate.startsWith('curl '))
    const { stdout } = await promisify(execFile)('bash', ['-c', `${line} --silent --show-error`])
    expect(stdout.trimEnd().endsWith('data: [DONE]')).toBe(true)
    const text = stdout
      .split('\n')
      .filter((event) => event.startsWith('data: {'))
      .map((event) => JSON.parse(event.slice(6)).choices[0]?.delta.content ?? '')
      .join('')
    expect(text).toContain('12')
  })

  test('keeps the key to its owner', () => {
    expect(statSync(join(state.path, 'dev-key')).mode & 0o777).toBe(0o600)
    expect(statSync(join(state.path, 'worker.env')).mode & 0o777).toBe(0o600)
  })
})

describe('the database of npm start', () => {
  const admin = async (method: string, path: string, body?: object) => {
    const response = await fetch(`${stack.url}/admin/keys${path}`, {
      method,
      headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    expect(response.status).toBeLessThan(300)
    return (await response.json()) as { id: string; key: string; object: string }
  }

  test('has its tables: a key that the printed key makes works until it is revoked', async () => {
    const made = await admin('POST', '', { name: 'e2e' })
    const client = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: made.key, maxRetries: 0 })
    expect((await client.models.list()).data).toHaveLength(1)
    await admin('DELETE', `/${made.id}`)
    await expect(client.models.list()).rejects.toMatchObject({ status: 401 })
  })
})

describe('the environment of npm start', () => {
  test('reaches both programs: the inference server wants its key, and the Worker has it and is as quiet as it is told', async () => {
    expect((await fetch(`${stack.inferenceUrl}/v1/models`)).status).toBe(401)
    const { data } = await openai.models.list()
    expect(data.map(({ id }) => id)).toEqual([MODEL])
    expect(readFileSync(join(state.path, 'logs/edge.log'), 'utf8')).not.toContain('"event":"request"')
  })

  test('is refused a second time on the same state folder, with who uses it', async () => {
    await expect(startStack(state.path)).rejects.toThrow(/Another npm start \(process \d+\) uses/)
  })
})

describe('the official openai client', () => {
  test('chats', async () => {
    const answer = await openai.chat.completions.create({ model: MODEL, messages: SEVEN_PLUS_FIVE, temperature: 0 })
    expect(answer.choices[0]?.message.content).toContain('12')
    expect(answer.choices[0]?.finish_reason).toBe('stop')
    expect(answer.model).toBe(MODEL)
    expect(answer.usage?.total_tokens).toBe((answer.usage?.prompt_tokens ?? 0) + (answer.usage?.completion_tokens ?? 0))
  })

  test('streams the same answer, with usage when asked', async () => {
    const whole = await openai.chat.completions.create({ model: MODEL, messages: SEVEN_PLUS_FIVE, temperature: 0 })
    const stream = await openai.chat.completions.create({
      model: MODEL,
      messages: SEVEN_PLUS_FIVE,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    })
    let text = ''
    let usage: unknown
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      if (chunk.usage) usage = chunk.usage
    }
    expect(text).toBe(whole.choices[0]?.message.content)
    expect(usage).toMatchObject({ completion_tokens: whole.usage?.completion_tokens })
  })

  test('completes a text', async () => {
    const answer = await openai.completions.create({
      model: MODEL,
      prompt: 'One, two, three,',
      max_tokens: 8,
      temperature: 0,
    })
    expect(answer.choices[0]?.text).toContain('four')
    expect(answer.usage?.completion_tokens).toBeLessThanOrEqual(8)
  })

  test('aborts in mid-stream, and the model stops', async () => {
    const controller = new AbortController()
    const stream = await openai.chat.completions.create(
      {
        model: MODEL,
        messages: [{ role: 'user', content: 'Tell me a very long story.' }],
        max_tokens: 1_500,
        stream: true,
      },
      { signal: controller.signal },
    )
    let chunks = 0
    for await (const _ of stream) {
      chunks += 1
      if (chunks === 5) controller.abort()
    }
    expect(chunks).toBeLessThan(100)
    await until(
      'no request is left in the engine',
      async () => (await inferenceMetric('perigee_inference_in_flight')) === 0,
      3_000,
    )
  })

  test('lists the models', async () => {
    const models = await openai.models.list()
    expect(models.data.map((model) => model.id)).toEqual([MODEL])
  })

  test('gets AuthenticationError for a wrong key', async () => {
    const stranger = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: 'pg_wrong', maxRetries: 0 })
    await expect(stranger.models.list()).rejects.toThrow(OpenAI.AuthenticationError)
  })

  test('gets BadRequestError that names the field', async () => {
    const wrong = openai.chat.completions.create({ model: MODEL, messages: SEVEN_PLUS_FIVE, temperature: 9 })
    const error = await wrong.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect((error as InstanceType<typeof OpenAI.BadRequestError>).param).toBe('temperature')
  })

  test('serves eight callers at once, each with the answer it gets alone', async () => {
    const ask = (number: number) =>
      openai.chat.completions
        .create({
          model: MODEL,
          messages: [{ role: 'user', content: `Write one sentence about the number ${number}.` }],
          seed: number,
          temperature: 0.8,
          max_tokens: 24,
        })
        .then((answer) => answer.choices[0]?.message.content)
    const alone: unknown[] = []
    for (let number = 1; number <= 8; number++) alone.push(await ask(number))
    const together = await Promise.all(Array.from({ length: 8 }, (_, index) => ask(index + 1)))
    expect(together).toEqual(alone)
  })
})

describe('the plain routes', () => {
  const post = (path: string, body: unknown) =>
    fetch(`${stack.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })

  test('/generate continues a text', async () => {
    const answer = await post('/generate', { text: 'One, two, three,', max_length: 8 })
    expect(answer.status).toBe(200)
    expect(((await answer.json()) as { generated_text: string }).generated_text).toContain('four')
  })

  test('/chat answers with what it was told before', async () => {
    const config = { temperature: 0, max_tokens: 32 }
    const first = (await (
      await post('/chat', { message: 'What is 7 + 5?', user_id: 'u1', model_config: config })
    ).json()) as {
      response: string
      conversation_id: string
      model_used: string
    }
    expect(first.response).toContain('12')
    expect(first.model_used).toBe(MODEL)
    const second = (await (
      await post('/chat', {
        message: 'And plus 1?',
        user_id: 'u1',
        conversation_id: first.conversation_id,
        model_config: config,
      })
    ).json()) as { response: string }
    const stateless = await openai.chat.completions.create({
      model: MODEL,
      ...config,
      messages: [
        ...SEVEN_PLUS_FIVE,
        { role: 'assistant', content: first.response },
        { role: 'user', content: 'And plus 1?' },
      ],
    })
    expect(second.response).toBe(stateless.choices[0]?.message.content)
  })

  test('/metrics counts what was answered', async () => {
    await openai.chat.completions.create({ model: MODEL, messages: SEVEN_PLUS_FIVE, max_tokens: 1 })
    const text = await (
      await fetch(`${stack.url}/metrics`, { headers: { authorization: `Bearer ${stack.key}` } })
    ).text()
    expect(text).toMatch(/llm_requests_total\{[^}]*model="smollm2-135m-instruct"[^}]*\} [1-9]/)
    expect(text).toContain('llm_response_time_seconds_bucket')
  })

  test('open routes need no key, the others say so', async () => {
    for (const path of ['/health', '/openapi.json', '/docs'])
      expect((await fetch(`${stack.url}${path}`)).status).toBe(200)
    const refused = await fetch(`${stack.url}/metrics`)
    expect(refused.status).toBe(401)
    expect(refused.headers.get('www-authenticate')).toContain('Bearer')
  })
})

describe("Anthropic's official client", () => {
  const ask = { model: MODEL, max_tokens: 32, temperature: 0, messages: SEVEN_PLUS_FIVE }
  const client = () => new Anthropic({ baseURL: stack.url, apiKey: stack.key, maxRetries: 0 })

  test('streams the very answer that it also gets whole, and as many tokens as it counted', async () => {
    const whole = await client().messages.create(ask)
    const streamed = await client().messages.stream(ask).finalMessage()
    const [block] = whole.content
    expect(block?.type === 'text' && block.text).toContain('12')
    expect(streamed.content).toEqual(whole.content)
    const { input_tokens } = await client().messages.countTokens({ model: MODEL, messages: SEVEN_PLUS_FIVE })
    const { usage } = streamed
    expect(usage.input_tokens + (usage.cache_read_input_tokens ?? 0)).toBe(input_tokens)
  })

  test('has its tool called with arguments that fit the schema, and goes on with the result', async () => {
    const input_schema = {
      type: 'object' as const,
      properties: { city: { type: 'string', enum: ['Paris', 'Oslo'] } },
      required: ['city'],
    }
    const tools = [{ name: 'weather', description: 'The weather of a city.', input_schema }]
    const question = [{ role: 'user' as const, content: 'How is the weather in Paris?' }]
    const forced = { ...ask, max_tokens: 64, tools, messages: question }
    const called = await client().messages.create({ ...forced, tool_choice: { type: 'tool', name: 'weather' } })
    const call = called.content.find((block) => block.type === 'tool_use')
    if (!call) throw new Error(`no call in ${JSON.stringify(called)}`)
    expect(called.stop_reason).toBe('tool_use')
    expect(['Paris', 'Oslo']).toContain((call.input as { city: string }).city)
    const result = { type: 'tool_result' as const, tool_use_id: call.id, content: 'Sunny.' }
    const answer = await client().messages.create({
      ...ask,
      tools,
      messages: [...question, { role: 'assistant', content: called.content }, { role: 'user', content: [result] }],
    })
    expect(answer.content.length).toBeGreaterThan(0)
  })
})
