/** `/v1/prompts` on real D1, and templates in chat completions, as a caller sees them. Runs in workerd. */
import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import type { Scope } from '../../src/contract/scopes.ts'
import {
  promptListSchema,
  promptSchema,
  promptVersionListSchema,
  promptVersionSchema,
  renderedPromptSchema,
} from '../../src/http/openapi/prompt-schemas.ts'
import { problemSchema } from '../../src/http/openapi/schemas.ts'
import { allPorts, wholeApp } from '../../src/whole-app.ts'
import { MODEL } from './edge-client.ts'
import { fakeModel, HELLO, wholeAnswer } from './fake-model.ts'

const wired = allPorts(env)
const ALL: readonly Scope[] = ['chat', 'prompts:read', 'prompts:write']

afterEach(() => {
  vi.unstubAllGlobals()
})

function caller(tenantId: string, scopes = ALL) {
  const app = wholeApp(() => ({
    ...wired,
    keys: { find: async () => ({ tenantId, keyId: `key_of_${tenantId}`, scopes }) },
    settings: { ...wired.settings, logLevel: 'silent' as const },
  }))
  const raw = async (method: string, path: string, body?: object) =>
    app.fetch(
      new Request(`https://edge.test${path}`, {
        method,
        headers: { authorization: 'Bearer any', 'content-type': 'application/json' },
        ...(body ? { body: JSON.stringify(body) } : {}),
      }),
      env,
      createExecutionContext(),
    )
  const call = async (method: string, path: string, body?: object) => {
    const response = await raw(method, path, body)
    return { status: response.status, body: await response.json<Record<string, unknown>>() }
  }
  return Object.assign(call, { raw })
}

const FIRST = { messages: [{ role: 'system', content: 'Say {{word}}.' }] }
const SECOND = { messages: [{ role: 'system', content: 'Shout {{word}}.' }], variables: { word: { default: 'hey' } } }

test('a template lives: created, used, given a second version, deployed by moving a label, rolled back, deleted', async () => {
  const call = caller('tnt_life')
  const created = await call('POST', '/v1/prompts', { id: 'greet', description: 'Greets.', ...FIRST })
  expect(created.status).toBe(201)
  expect(promptSchema.parse(created.body)).toMatchObject({ id: 'greet', latest_version: 1, labels: { production: 1 } })

  const second = await call('POST', '/v1/prompts/greet/versions', { ...SECOND, note: 'louder', labels: ['staging'] })
  expect(second.status).toBe(201)
  expect(promptVersionSchema.parse(second.body)).toMatchObject({
    version: 2,
    note: 'louder',
    created_by: 'key_of_tnt_life',
  })

  const rendered = async (body: object) => {
    const answer = await call('POST', '/v1/prompts/greet/render', body)
    return answer.status === 200 ? renderedPromptSchema.parse(answer.body).messages[0]?.content : answer.body.code
  }
  expect(await rendered({ variables: { word: 'hi' } })).toBe('Say hi.')
  expect(await rendered({ label: 'staging' })).toBe('Shout hey.')
  expect(await rendered({ version: 1, variables: { word: 'x' } })).toBe('Say x.')

  await call('PUT', '/v1/prompts/greet/labels/production', { version: 2 })
  expect(await rendered({})).toBe('Shout hey.')
  const back = await call('PUT', '/v1/prompts/greet/labels/production', { version: 1 })
  expect(promptSchema.parse(back.body).labels).toEqual({ production: 1, staging: 2 })
  expect(await rendered({ variables: { word: 'again' } })).toBe('Say again.')

  const diff = await call('GET', '/v1/prompts/greet/diff?from=1&to=2')
  expect(diff.body.diff).toContain('-Say {{word}}.\n+Shout {{word}}.\n')
  expect((await call('GET', '/v1/prompts/greet/diff?from=2&to=2')).body.diff).toBe('')

  const versions = promptVersionListSchema.parse((await call('GET', '/v1/prompts/greet/versions?limit=1')).body)
  expect(versions).toMatchObject({ has_more: true, next: '2', data: [{ version: 2 }] })
  const rest = promptVersionListSchema.parse((await call('GET', '/v1/prompts/greet/versions?limit=1&after=2')).body)
  expect(rest).toMatchObject({ has_more: false, data: [{ version: 1 }] })

  await call('DELETE', '/v1/prompts/greet/labels/staging')
  expect(await rendered({ label: 'staging' })).toBe('prompt_not_found')
  const deleted = { id: 'greet', object: 'prompt.deleted', deleted: true }
  expect((await call('DELETE', '/v1/prompts/greet')).body).toEqual(deleted)
  expect(await rendered({})).toBe('prompt_not_found')
})

test.each([
  ['POST', '/v1/prompts', { id: 'p', ...FIRST }],
  ['GET', '/v1/prompts/greet', undefined],
  ['PATCH', '/v1/prompts/greet', { description: 'x' }],
  ['DELETE', '/v1/prompts/greet', undefined],
  ['POST', '/v1/prompts/greet/render', { variables: { word: 'x' } }],
  ['POST', '/v1/prompts/greet/versions', SECOND],
  ['GET', '/v1/prompts/greet/versions/1', undefined],
  ['PUT', '/v1/prompts/greet/labels/production', { version: 1 }],
  ['DELETE', '/v1/prompts/greet/labels/production', undefined],
])('%s %s refuses a query that would mean nothing', async (method, path, body) => {
  const call = caller('tnt_queries')
  await call('POST', '/v1/prompts', { id: 'greet', ...FIRST })
  const refused = await call(method, `${path}?tenant_id=tnt_other`, body)
  expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_request', param: 'tenant_id' } })
})

test('an answer says which version of a template it came from, streamed or whole, and nothing where there was none', async () => {
  const call = caller('tnt_told')
  await call('POST', '/v1/prompts', { id: 'greet', ...FIRST })
  await call('POST', '/v1/prompts/greet/versions', { ...SECOND, labels: ['staging'] })
  fakeModel(wholeAnswer(...HELLO))
  const said = async (more: object) => {
    const own = { model: MODEL, messages: [{ role: 'user', content: 'Go' }], ...more }
    const response = await call.raw('POST', '/v1/chat/completions', own)
    await response.text()
    return response.headers.get('x-perigee-prompt')
  }
  expect(await said({ prompt: { id: 'greet', variables: { word: 'hi' } } })).toBe('greet@1')
  expect(await said({ prompt: { id: 'greet', label: 'staging' }, stream: true })).toBe('greet@2')
  expect(await said({})).toBeNull()
})

test('a chat completion with a template sends its messages before its own, or alone, and nothing of the reference', async () => {
  const call = caller('tnt_chat')
  await call('POST', '/v1/prompts', { id: 'greet', ...FIRST })
  const model = fakeModel(wholeAnswer(...HELLO))
  const prompt = { id: 'greet', variables: { word: 'ahoy' } }
  const own = { role: 'user', content: 'Go' }
  await call('POST', '/v1/chat/completions', { model: MODEL, prompt, messages: [own] })
  await call('POST', '/v1/chat/completions', { model: MODEL, prompt })
  const system = { role: 'system', content: 'Say ahoy.' }
  expect(model.calls.map(({ body }) => body.messages)).toEqual([[system, own], [system]])
  expect(model.calls.every(({ body }) => !('prompt' in body))).toBe(true)
})

test.each([
  [{ prompt: { id: 'nowhere' } }, 404, 'prompt_not_found', 'prompt.id'],
  [{ prompt: { id: 'few_shot' } }, 400, 'invalid_request', 'prompt.variables.text'],
  [
    { prompt: { id: 'few_shot', variables: { text: 'a', more: 'b' } } },
    400,
    'invalid_request',
    'prompt.variables.more',
  ],
  [{ prompt: { id: 'Few Shot' } }, 400, 'invalid_request', 'prompt.id'],
  [{ prompt: { id: 'few_shot', version: 1, label: 'production' } }, 400, 'invalid_request', 'prompt.label'],
  [{}, 400, 'invalid_request', 'messages'],
])('a chat completion with %j hears %i %s of %s before any model is asked', async (body, status, code, param) => {
  const model = fakeModel(wholeAnswer(...HELLO))
  const answer = await caller('tnt_wrong')('POST', '/v1/chat/completions', { model: MODEL, ...body })
  expect([answer.status, answer.body.error]).toMatchObject([status, { code, param }])
  expect(model.calls).toHaveLength(0)
})

test('another tenant finds nothing of a template, in the very words of one that is not there', async () => {
  await caller('tnt_mine')('POST', '/v1/prompts', { id: 'secret', ...FIRST })
  const theirs = caller('tnt_theirs')
  const calls: [string, string, object?][] = [
    ['GET', '/v1/prompts/ID'],
    ['PATCH', '/v1/prompts/ID', { description: 'x' }],
    ['DELETE', '/v1/prompts/ID'],
    ['POST', '/v1/prompts/ID/render', { variables: { word: 'x' } }],
    ['GET', '/v1/prompts/ID/versions'],
    ['POST', '/v1/prompts/ID/versions', FIRST],
    ['GET', '/v1/prompts/ID/versions/1'],
    ['GET', '/v1/prompts/ID/diff?from=1&to=1'],
    ['PUT', '/v1/prompts/ID/labels/production', { version: 1 }],
    ['DELETE', '/v1/prompts/ID/labels/production'],
  ]
  for (const [method, path, body] of calls) {
    const [there, missing] = await Promise.all(
      ['secret', 'missing'].map(async (id) => {
        const answer = await theirs(method, path.replace('ID', id), body)
        return { ...answer, body: { ...problemSchema.parse(answer.body), request_id: '' } }
      }),
    )
    expect(there).toEqual(missing)
    expect(there).toMatchObject({ status: 404, body: { code: 'prompt_not_found' } })
  }
  const list = promptListSchema.parse((await theirs('GET', '/v1/prompts')).body)
  expect(list.data.every(({ built_in }) => built_in)).toBe(true)
  expect((await caller('tnt_mine')('GET', '/v1/prompts/secret')).status).toBe(200)
})

test('a built-in template is refused to who would change it, saying what to do; one of the same id is changed', async () => {
  const call = caller('tnt_built_in')
  const writes: [string, string, object?][] = [
    ['PATCH', '', { description: 'x' }],
    ['DELETE', ''],
    ['POST', '/versions', SECOND],
    ['PUT', '/labels/staging', { version: 1 }],
    ['DELETE', '/labels/production'],
  ]
  for (const [method, path, body] of writes) {
    const answer = await call(method, `/v1/prompts/few_shot${path}`, body)
    expect([method, path, answer.body]).toMatchObject([
      method,
      path,
      { code: 'invalid_request', param: 'id', detail: expect.stringContaining('built in') },
    ])
  }
  await call('POST', '/v1/prompts', { id: 'few_shot', ...FIRST })
  const beyond = await call('PUT', '/v1/prompts/few_shot/labels/staging', { version: 9 })
  expect(beyond.body).toMatchObject({ code: 'prompt_not_found', param: 'version' })
  expect((await call('DELETE', '/v1/prompts/few_shot')).status).toBe(200)
})

test('of two who create the same template at once one hears already_exists, and the stored one is whole', async () => {
  const call = caller('tnt_race')
  const both = await Promise.all([
    call('POST', '/v1/prompts', { id: 'one', ...FIRST, labels: ['a'] }),
    call('POST', '/v1/prompts', { id: 'one', ...SECOND, labels: ['b'] }),
  ])
  expect(both.map(({ status }) => status).sort()).toEqual([201, 409])
  const winner = both[0].status === 201 ? { label: 'a', text: 'Say' } : { label: 'b', text: 'Shout' }
  const stored = promptSchema.parse((await call('GET', '/v1/prompts/one')).body)
  expect(stored.labels).toEqual({ [winner.label]: 1 })
  const version = promptVersionSchema.parse((await call('GET', '/v1/prompts/one/versions/1')).body)
  expect(version.messages[0]?.content).toContain(winner.text)
  const loser = both.find(({ status }) => status === 409)
  expect(loser?.body.code).toBe('already_exists')
})

test('versions that are added at once get numbers of their own', async () => {
  const call = caller('tnt_many')
  await call('POST', '/v1/prompts', { id: 'one', ...FIRST })
  const added = await Promise.all(Array.from({ length: 5 }, () => call('POST', '/v1/prompts/one/versions', SECOND)))
  expect(added.map(({ body }) => body.version).sort()).toEqual([2, 3, 4, 5, 6])
})

test("a list has the tenant's own and the built-in templates once each, page by page; one's own stands before a built-in of the same id", async () => {
  const call = caller('tnt_list')
  for (const id of ['a', 'few_shot', 'zz']) await call('POST', '/v1/prompts', { id, ...FIRST })
  const ids: string[] = []
  let after = ''
  for (let page = 0; page < 20; page++) {
    const list = promptListSchema.parse((await call('GET', `/v1/prompts?limit=3${after}`)).body)
    ids.push(...list.data.map(({ id, built_in }) => `${id}${built_in ? '' : '*'}`))
    if (list.next === undefined) break
    after = `&after=${list.next}`
  }
  expect(ids).toEqual([...ids].sort())
  expect(ids).toEqual(expect.arrayContaining(['a*', 'few_shot*', 'zz*', 'classification', 'few_shot_zh']))
  expect(ids).toHaveLength(12)
  expect((await call('GET', '/v1/prompts?limit=0')).body).toMatchObject({ code: 'invalid_request', param: 'limit' })
  expect((await call('GET', '/v1/prompts?after=A%20B')).body).toMatchObject({ code: 'invalid_request', param: 'after' })
})

test('every write leaves a row that tells isolates which template changed', async () => {
  const call = caller('tnt_change')
  await call('POST', '/v1/prompts', { id: 'one', ...FIRST })
  await call('POST', '/v1/prompts/one/versions', SECOND)
  await call('PUT', '/v1/prompts/one/labels/x', { version: 2 })
  await call('DELETE', '/v1/prompts/one')
  const { results } = await env.DB.prepare("SELECT kind, subject FROM change WHERE tenant_id = 'tnt_change'").all()
  expect(results).toEqual(Array.from({ length: 4 }, () => ({ kind: 'prompt', subject: 'one' })))
})
