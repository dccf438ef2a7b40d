import Ajv2020 from 'ajv/dist/2020.js'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChatChunk, ChatResponse } from '../../../src/contract/chat-completion.ts'
import { randomSchemas } from '../../bench/schemas/random-schemas.ts'
import { MODEL, post, type RealServer, readEvents, startRealServer } from './real-server.ts'

let server: RealServer
let chatUrl: string
beforeAll(async () => {
  server = await startRealServer(['--context', '2048'])
  chatUrl = `${server.url}/v1/chat/completions`
})
afterAll(() => server.stop(0))

const ajv = new Ajv2020({ strict: false, validateFormats: false })
const messages = [{ role: 'user', content: 'Tell me about a person.' }]
const ask = (body: object) => post(chatUrl, { model: MODEL, messages, return_token_ids: true, ...body })
const answer = async (body: object) => (await (await ask(body)).json()) as ChatResponse
const jsonSchema = (schema: object) => ({
  type: 'json_schema',
  json_schema: { name: 'answer', strict: true, schema },
})
const streamed = async (body: object) => {
  const read = await readEvents(await ask({ ...body, stream: true }))
  // Sound because this route streams chat chunks.
  return { isDone: read.isDone, events: read.events as ChatChunk[] }
}
type Call = { index: number; id?: string; type?: string; function: { name?: string; arguments: string } }
const callsOf = (events: ChatChunk[]) => events.flatMap(({ choices }) => (choices[0]?.delta.tool_calls ?? []) as Call[])
const idsOf = (events: ChatChunk[]) => events.flatMap(({ choices }) => choices[0]?.token_ids ?? [])

const PERSON = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 2, maxLength: 12 },
    age: { type: 'integer', minimum: 0, maximum: 120 },
    likes: { type: 'array', items: { enum: ['tea', 'coffee', '"milk"'] }, maxItems: 3 },
  },
  required: ['name', 'age', 'likes'],
  additionalProperties: false,
}

describe('response_format', () => {
  test('random schemas at temperature 1: every answer is complete within 512 tokens, parses and validates', async () => {
    const schemas = randomSchemas(7, 5)
    const answers = await Promise.all(
      schemas.map((schema, seed) =>
        answer({ response_format: jsonSchema(schema), temperature: 1, seed, max_tokens: 512 }),
      ),
    )
    for (const [index, { choices }] of answers.entries()) {
      const text = choices[0]?.message.content ?? ''
      expect(choices[0]?.finish_reason, text).toBe('stop')
      expect(ajv.validate(schemas[index] ?? {}, JSON.parse(text)), text).toBe(true)
    }
  })

  test('json_object is any object, and near max_tokens it is brought to its end', async () => {
    const { choices } = await answer({
      response_format: { type: 'json_object' },
      temperature: 1,
      seed: 3,
      max_tokens: 40,
    })
    expect(choices[0]?.finish_reason).toBe('stop')
    expect(JSON.parse(choices[0]?.message.content ?? '')).toBeTypeOf('object')
  })

  test.each([
    [{ type: 'object', properties: { x: { type: 'strin' } } }, '#/properties/x'],
    [{ type: 'array', uniqueItems: true }, 'uniqueItems'],
    [{ type: 'string', pattern: '(?=a)b' }, 'looks ahead'],
    [{ type: 'object', not: {} }, 'not'],
  ])('a schema that cannot be followed is a 400 that says where and why: %j', async (schema, reason) => {
    const response = await ask({ response_format: jsonSchema(schema), stream: true })
    expect(response.status).toBe(400)
    const { error } = (await response.json()) as { error: { message: string; param: string } }
    expect(error.param).toBe('response_format.json_schema.schema')
    expect(error.message).toContain(reason)
  })

  test('an answer under a schema goes on elsewhere, from any token, as it would have here', async () => {
    const body = { response_format: jsonSchema(PERSON), temperature: 1, seed: 5 }
    const whole = await answer(body)
    const ids = whole.choices[0]?.token_ids ?? []
    const text = whole.choices[0]?.message.content ?? ''
    expect(ajv.validate(PERSON, JSON.parse(text)), text).toBe(true)
    for (const cut of [1, Math.floor(ids.length / 2)]) {
      const output = ids.slice(0, cut)
      const sent = server.serving.tokenizer.decode(output)
      const given = { prompt_token_ids: whole.prompt_token_ids, output_token_ids: output, sent_chars: sent.length }
      const rest = await answer({ ...body, perigee: { continue: given } })
      expect(sent + rest.choices[0]?.message.content).toBe(text)
      expect(rest.choices[0]?.token_ids).toEqual(ids.slice(cut))
    }
  })
})

describe('tools', () => {
  const tools = [
    { type: 'function', function: { name: 'save_person', description: 'Saves a person.', parameters: PERSON } },
    { type: 'function', function: { name: 'no_arguments' } },
  ]
  const named = { type: 'function', function: { name: 'save_person' } }

  test('a named tool is called with arguments that fit its parameters, whole and streamed alike', async () => {
    const body = { tools, tool_choice: named, temperature: 1, seed: 1 }
    const { choices, usage } = await answer(body)
    expect(choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { content: null } })
    const [call, ...others] = (choices[0]?.message.tool_calls ?? []) as {
      id: string
      type: string
      function: { name: string; arguments: string }
    }[]
    expect(others).toEqual([])
    expect(call).toMatchObject({ type: 'function', function: { name: 'save_person' } })
    expect(ajv.validate(PERSON, JSON.parse(call?.function.arguments ?? '')), call?.function.arguments).toBe(true)

    const { events, isDone } = await streamed({ ...body, stream_options: { include_usage: true } })
    expect(isDone).toBe(true)
    const deltas = callsOf(events)
    expect(deltas[0]).toMatchObject({ index: 0, id: call?.id, type: 'function', function: { name: 'save_person' } })
    expect(deltas.slice(1).some(({ id, function: { name } }) => id !== undefined || name !== undefined)).toBe(false)
    expect(deltas.length).toBeGreaterThan(3)
    expect(deltas.map((delta) => delta.function.arguments).join('')).toBe(call?.function.arguments)
    expect(events.map(({ choices: [choice] }) => choice?.delta.content ?? '').join('')).toBe('')
    expect(events.at(-2)?.choices[0]?.finish_reason).toBe('tool_calls')
    // The second time the prompt is in the cache.
    expect({ ...events.at(-1)?.usage, prompt_tokens_details: usage?.prompt_tokens_details }).toEqual(usage)
  })

  test('required calls some tool, auto may answer in words, none shows the model no tools', async () => {
    const required = await answer({
      tools,
      tool_choice: 'required',
      parallel_tool_calls: false,
      temperature: 1,
      seed: 2,
    })
    expect(required.choices[0]?.finish_reason).toBe('tool_calls')
    expect(required.choices[0]?.message.tool_calls).toHaveLength(1)
    const auto = await answer({ tools, temperature: 0, max_tokens: 24 })
    const free = auto.choices[0]
    expect(
      (free?.message.content ?? '').length + JSON.stringify(free?.message.tool_calls ?? '').length,
    ).toBeGreaterThan(2)
    expect(free?.message.content ?? '').not.toContain('<tool_call>')
    const none = await answer({ tools, tool_choice: 'none', temperature: 0, max_tokens: 8 })
    const plain = await answer({ temperature: 0, max_tokens: 8 })
    expect(none.choices[0]).toEqual(plain.choices[0])
    expect(auto.usage?.prompt_tokens).toBeGreaterThan((plain.usage?.prompt_tokens ?? 0) + 50)
  })

  test('a call cut off within its arguments goes on elsewhere: the pieces join to the very same call', async () => {
    const body = { tools, tool_choice: named, temperature: 1, seed: 4 }
    const whole = await streamed(body)
    const ids = idsOf(whole.events)
    const sentUnits = (events: ChatChunk[]) =>
      callsOf(events).reduce((sum, call) => sum + (call.function.name?.length ?? 0) + call.function.arguments.length, 0)
    const joined = (deltas: Call[]) => [
      deltas.flatMap(({ id }) => id ?? []),
      deltas.flatMap((call) => call.function.name ?? []),
      deltas.map((call) => call.function.arguments).join(''),
    ]
    for (const cut of [2, Math.floor(ids.length / 2)]) {
      let seen = 0
      const first = whole.events.filter(({ choices }) => {
        const isSent = seen < cut
        seen += choices[0]?.token_ids?.length ?? 0
        return isSent
      })
      const given = {
        prompt_token_ids: whole.events[0]?.prompt_token_ids,
        output_token_ids: ids.slice(0, cut),
        sent_chars: sentUnits(first),
      }
      const rest = await streamed({ ...body, perigee: { continue: given } })
      expect(idsOf(rest.events)).toEqual(ids.slice(cut))
      expect(joined([...callsOf(first), ...callsOf(rest.events)])).toEqual(joined(callsOf(whole.events)))
      expect(rest.events.at(-1)?.choices[0]?.finish_reason).toBe('tool_calls')
    }
  })

  test('a conversation with calls and their results is read', async () => {
    const history = [
      ...messages,
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'no_arguments', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'call_1', content: '{"ok": true}' },
    ]
    const { choices } = await answer({ messages: history, tools, temperature: 0, max_tokens: 8 })
    expect(choices[0]?.finish_reason).toBeDefined()
  })
})

test("OpenAI's own client reads schemas and calls, whole and streamed", async () => {
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
  const shared = {
    model: MODEL,
    messages: [{ role: 'user' as const, content: 'Name a person.' }],
    seed: 3,
    temperature: 1,
  }
  const parsed = await client.chat.completions.parse({
    ...shared,
    response_format: { type: 'json_schema', json_schema: { name: 'person', strict: true, schema: PERSON } },
  })
  expect(ajv.validate(PERSON, parsed.choices[0]?.message.parsed)).toBe(true)
  const stream = client.chat.completions.stream({
    ...shared,
    tools: [{ type: 'function', function: { name: 'save', parameters: PERSON, strict: true } }],
    tool_choice: 'required',
    parallel_tool_calls: false,
  })
  const { choices } = await stream.finalChatCompletion()
  const [call] = choices[0]?.message.tool_calls ?? []
  expect(choices[0]?.finish_reason).toBe('tool_calls')
  expect(call).toMatchObject({ type: 'function', function: { name: 'save' } })
  expect(ajv.validate(PERSON, JSON.parse(call?.type === 'function' ? call.function.arguments : ''))).toBe(true)
})
