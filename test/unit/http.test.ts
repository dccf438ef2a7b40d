/** The HTTP layer's pure parts: what a refused body is told, and that the API's description is true. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type * as z from 'zod/mini'
import { chatRequestSchema, textRequestSchema } from '../../src/contract/chat-completion.ts'
import { chatTurnRequestSchema } from '../../src/contract/chat-turn.ts'
import { AppError, ERRORS } from '../../src/errors.ts'
import { invalidRequest } from '../../src/http/invalid-request.ts'
import { buildOpenApiDocument } from '../../src/http/openapi/build-document.ts'
import { type DocumentToShow, docsPage } from '../../src/http/openapi/docs-page.ts'
import { openApiDocument } from '../../src/http/openapi/document.ts'
import { FIELD_NOTES } from '../../src/http/openapi/field-notes.ts'
import { OPERATIONS } from '../../src/http/openapi/operations.ts'
import { typeText } from '../../src/http/openapi/schema-text.ts'
import { COMPONENTS } from '../../src/http/openapi/schemas.ts'
import { errorResponse } from '../../src/http/render/error.ts'
import { OPEN_ROUTES, routes } from '../../src/http/route-table.ts'

describe('a refused body', () => {
  function refusal(schema: z.ZodMiniType, body: unknown): AppError {
    const parsed = schema.safeParse(body)
    if (parsed.success) throw new Error('The body was accepted.')
    return invalidRequest(parsed.error.issues, body)
  }
  const chat = (fields: object) =>
    refusal(chatRequestSchema(), { model: 'm', messages: [{ role: 'user', content: 'Hi' }], ...fields })
  const message = (fields: object) => chat({ messages: [{ role: 'user', content: 'Hi', ...fields }] })

  test.each([
    [chat({ messages: undefined }), 'messages', 'messages is missing; it must be a list.'],
    [refusal(textRequestSchema(), { model: 'm' }), 'prompt', 'prompt is missing; it must be text or a list.'],
    [
      chat({ messages: [{ content: 'Hi' }] }),
      'messages.0.role',
      expect.stringMatching(/^messages\.0\.role is missing; it must be one of "system"/),
    ],
    [chat({ messages: null }), 'messages', 'messages must be a list.'],
    [chat({ messages: [] }), 'messages', 'messages must have at least 1 item.'],
    [chat({ model: 7 }), 'model', 'model must be text.'],
    [chat({ model: 'm'.repeat(257) }), 'model', 'model must have at most 256 characters.'],
    [chat({ temperature: 9 }), 'temperature', 'temperature must be at most 2.'],
    [chat({ top_p: 0 }), 'top_p', 'top_p must be more than 0.'],
    [chat({ max_tokens: 1.5 }), 'max_tokens', 'max_tokens must be a whole number.'],
    [chat({ stream: 'yes' }), 'stream', 'stream must be true or false.'],
    [chat({ stop: 5 }), 'stop', 'stop must be text or a list.'],
    [chat({ stop: ['a', ''] }), 'stop.1', 'stop.1 must have at least 1 character.'],
    [chat({ stop: '' }), 'stop', 'stop must have at least 1 character.'],
    [
      message({ role: 'robot' }),
      'messages.0.role',
      'messages.0.role must be one of "system", "developer", "user", "assistant", "tool", "function".',
    ],
    [message({ content: 5 }), 'messages.0.content', 'messages.0.content must be text or a list.'],
    [
      message({ content: [{ type: '' }] }),
      'messages.0.content.0.type',
      'messages.0.content.0.type must have at least 1 character.',
    ],
    [refusal(textRequestSchema(), { model: 'm', prompt: ['a', 'b'] }), 'prompt', 'prompt must have exactly 1 item.'],
    [
      refusal(chatTurnRequestSchema(), { message: 'a', user_id: 'u', conversation_id: 'x' }),
      'conversation_id',
      'conversation_id must be conv_ and 32 letters or digits.',
    ],
    [
      refusal(chatTurnRequestSchema(), { message: 'a', user_id: 'u', model_config: { best: 1 } }),
      'model_config.best',
      'model_config.best is not known here.',
    ],
    [
      refusal(chatTurnRequestSchema(), { message: 'a', user_id: 'u', one: 1, two: 2, three: 3 }),
      'one',
      'one is not known here, nor "two", "three".',
    ],
  ])('%# names the field and what is allowed', (error, param, text) => {
    expect(error).toMatchObject({ code: 'invalid_request', param, message: text })
  })

  test('that is no object is told so, without a field', () => {
    expect(refusal(chatRequestSchema(), [])).toMatchObject({ message: 'The body must be an object.', param: undefined })
  })

  test('is never quoted at length', () => {
    const long = 'n'.repeat(100_000)
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`${i}${long.slice(0, 100)}`, 1]))
    const turn = { message: 'a', user_id: 'u' }
    expect(refusal(chatTurnRequestSchema(), { ...turn, [long]: 1 }).message.length).toBeLessThan(200)
    expect(refusal(chatTurnRequestSchema(), { ...turn, ...many }).message.length).toBeLessThan(600)
    expect(message({ role: long }).message).not.toContain('nnn')
  })
})

describe('an error', () => {
  test('has the same code in both shapes, with the request id', async () => {
    const error = new AppError('invalid_request', 'model must be text.', { param: 'model' })
    const openai = errorResponse(error, 'openai', 'req_1')
    const problem = errorResponse(error, 'problem', 'req_1')
    expect([openai.status, problem.status]).toEqual([400, 400])
    expect(openai.headers.get('content-type')).toBe('application/json')
    expect(await openai.json()).toEqual({
      error: {
        message: 'model must be text.',
        type: 'invalid_request_error',
        param: 'model',
        code: 'invalid_request',
        request_id: 'req_1',
      },
    })
    expect(problem.headers.get('content-type')).toBe('application/problem+json')
    expect(await problem.json()).toEqual({
      type: '/docs#invalid_request',
      title: ERRORS.invalid_request.title,
      status: 400,
      detail: 'model must be text.',
      code: 'invalid_request',
      retryable: false,
      request_id: 'req_1',
      param: 'model',
    })
  })

  test('may have details, which are members of a problem and never take the place of its own', async () => {
    const error = new AppError('upstream_timeout', 'late', { details: { conversation_id: 'conv_x', status: 'mine' } })
    const again = AppError.fromValue(structuredClone(error.toValue()))
    expect(await errorResponse(again, 'problem', 'req_1').json()).toMatchObject({
      conversation_id: 'conv_x',
      status: 504,
    })
    expect(await errorResponse(again, 'openai', 'req_1').json()).not.toHaveProperty('conversation_id')
  })

  test('says when to come back, and how to authenticate', () => {
    const later = new AppError('upstream_rate_limited', 'later', { retryAfterSeconds: 7 })
    expect(errorResponse(later, 'openai', 'r').headers.get('retry-after')).toBe('7')
    const missing = errorResponse(new AppError('invalid_api_key', 'no'), 'openai', 'r')
    expect(missing.headers.get('www-authenticate')).toBe('Bearer realm="perigee"')
    const wrong = errorResponse(new AppError('invalid_token', 'no', { challenge: 'invalid_token' }), 'problem', 'r')
    expect(wrong.status).toBe(401)
    expect(wrong.headers.get('www-authenticate')).toBe('Bearer realm="perigee", error="invalid_token"')
  })
})

describe('the route table', () => {
  test('has no open route beyond the list of open routes', () => {
    expect(routes.filter((route) => route.access === 'open').map((route) => route.path)).toEqual(OPEN_ROUTES)
  })

  test("answers OpenAI's and Anthropic's envelopes on their routes, OAuth's where tokens are given, and problem details elsewhere", () => {
    const OURS = /^\/v1\/(prompts)(\/|$)/
    const shape = (path: string) => {
      if (path.startsWith('/v1/messages')) return 'anthropic'
      return path.startsWith('/v1/') && !OURS.test(path) ? 'openai' : path === '/auth/token' ? 'oauth' : 'problem'
    }
    expect(routes.filter((route) => route.errors !== shape(route.path))).toEqual([])
  })

  test('bounds the body of every route that may have one', () => {
    expect(
      routes.filter((route) => ['POST', 'PUT', 'PATCH'].includes(route.method) !== (route.body !== undefined)),
    ).toEqual([])
  })
})

describe('the OpenAPI document', () => {
  const root = join(import.meta.dirname, '../..')
  const read = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8'))
  const document = read('src/http/openapi/openapi.json')

  test('is what `npm run openapi` would write now, as the Worker has it too', async () => {
    const { version } = read('package.json')
    const now = JSON.parse(JSON.stringify(buildOpenApiDocument({ routes, version })))
    expect(document).toEqual(now)
    expect(await openApiDocument()).toEqual(now)
  })

  test('has every route, and no other', () => {
    const described = Object.entries<object>(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`),
    )
    const served = routes.map(({ method, path }) => `${method} ${path}`)
    expect(described.sort()).toEqual(served.sort())
    const [first] = routes
    if (!first) throw new Error('No routes.')
    expect(() => buildOpenApiDocument({ routes: [first], version: '1' })).toThrow('No such route')
    expect(() => buildOpenApiDocument({ routes: [...routes, { ...first, path: '/new' }], version: '1' })).toThrow(
      'POST /new',
    )
  })

  test('follows the rules of OpenAPI 3.1', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/)
    const ids = new Set<string>()
    for (const [path, methods] of Object.entries<Record<string, Record<string, unknown>>>(document.paths)) {
      expect(path).toMatch(/^\//)
      for (const operation of Object.values(methods)) {
        const {
          operationId,
          responses,
          parameters = [],
        } = operation as {
          operationId: string
          responses: Record<string, { description: string }>
          parameters?: { name: string; in: string; required: boolean }[]
        }
        expect(ids.has(operationId)).toBe(false)
        ids.add(operationId)
        for (const [status, response] of Object.entries(responses)) {
          expect(status).toMatch(/^[1-5]\d\d$/)
          expect(response.description).not.toBe('')
        }
        // Each template variable has its parameter, and the reverse; what is in the query is never demanded.
        const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: 'path', required: true }))
        const byPlace = (place: string) => parameters.filter((parameter) => parameter.in === place)
        expect(byPlace('path')).toMatchObject(inPath)
        expect(byPlace('path')).toHaveLength(inPath.length)
        expect(byPlace('query').filter(({ required }) => required)).toEqual([])
        expect(parameters).toHaveLength(byPlace('path').length + byPlace('query').length)
      }
    }
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, target]) => target)
    expect(references.length).toBeGreaterThan(10)
    const targets = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`)
    expect(references.filter((target) => !targets.includes(target ?? ''))).toEqual([])
    expect(Object.keys(document.components.schemas).filter((name) => !/^[\w.-]+$/.test(name))).toEqual([])
    const tags = document.tags.map((tag: { name: string }) => tag.name)
    expect(Object.values(OPERATIONS).filter(({ tag }) => !tags.includes(tag))).toEqual([])
  })

  test('has examples that its own schemas accept', () => {
    let checked = 0
    for (const { request, answers } of Object.values(OPERATIONS)) {
      for (const { schema, example } of [...(request ? [request] : []), ...Object.values(answers)]) {
        if (!schema || example === undefined) continue
        expect(COMPONENTS[schema][0].safeParse(example).error?.issues).toBeUndefined()
        checked += 1
      }
    }
    expect(checked).toBeGreaterThan(8)
  })

  test('explains every field of every request', () => {
    const requests = [...new Set(Object.values(OPERATIONS).flatMap(({ request }) => (request ? [request.schema] : [])))]
    for (const name of [...requests, 'Message'] as const) {
      const fields = Object.keys(document.components.schemas[name].properties)
      expect(Object.keys(FIELD_NOTES[name] ?? {}).sort(), name).toEqual(fields.sort())
    }
  })

  test('is shown whole on the page for people, with an anchor for every error, and nothing from elsewhere', () => {
    const page = docsPage(document as DocumentToShow, 'https://edge.test')
    for (const { id } of Object.values(OPERATIONS)) expect(page).toContain(`<article id="${id}">`)
    for (const code of Object.keys(ERRORS)) if (code !== 'caller_gone') expect(page).toContain(`<tr id="${code}">`)
    const targets = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id)
    expect(targets.filter((id) => !page.includes(`id="${id}"`))).toEqual([])
    expect(page).not.toMatch(/<script|<link|<img|\ssrc=|url\(|undefined|\[object/)
    expect(page).toContain('curl https://edge.test/v1/chat/completions')
  })

  test('is shown without letting an address become markup', () => {
    const page = docsPage(document as DocumentToShow, 'https://edge.test/<script>"')
    expect(page).not.toContain('<script')
  })
})

test.each([
  [{ type: 'string', minLength: 1, maxLength: 256 }, 'text, at most 256 characters'],
  [{ anyOf: [{ type: 'number', minimum: 0, maximum: 2 }, { type: 'null' }] }, 'number, 0 to 2'],
  [{ type: ['boolean', 'null'] }, 'true or false'],
  [{ type: 'integer', minimum: 1, maximum: 1_048_576, default: 100 }, 'whole number, 1 to 1,048,576; default 100'],
  [{ type: 'number', exclusiveMinimum: 0, maximum: 1 }, 'number, above 0 to 1'],
  [
    { type: 'array', items: { $ref: '#/components/schemas/Message' }, maxItems: 16 },
    'list of Message, at most 16 items',
  ],
  [{ enum: ['a', 'b'] }, 'one of "a", "b"'],
  [
    {
      type: 'object',
      properties: { top_p: { type: 'number', exclusiveMinimum: 0, maximum: 1 }, user: { type: 'string' } },
    },
    'object { top_p: number, above 0 to 1; user: text }',
  ],
  [{}, 'anything'],
])('a field is described in words: %j', (schema, text) => {
  expect(typeText(schema)).toBe(text)
})
