/** Which of the two apps answers, and that nobody can tell. */
import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { sha256Hex } from '../../src/auth/api-key.ts'
import { edge } from '../../src/edge.ts'
import { KEY } from './edge-client.ts'

const bindings = { ...env, PERIGEE_KEY_SHA256: sha256Hex(KEY), PERIGEE_LOG_LEVEL: 'silent' }
const worker = edge()

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const request = new Request(`http://edge${path}`, { headers: { authorization: `Bearer ${KEY}` }, ...init })
  // Sound: what differs is where the platform got the request from.
  return worker.fetch(request as Parameters<typeof worker.fetch>[0], bindings, createExecutionContext())
}

test.each([
  ['/health', 200],
  ['/v1/models', 200],
  ['/v1/models?a=/admin/keys', 200],
  ['/v1/models/smollm2-135m-instruct', 200],
  ['/admin/keys', 200],
  ['/openapi.json', 200],
  ['/nowhere', 404],
])('%s is answered, first and again: %i', async (path, status) => {
  expect((await ask(path)).status).toBe(status)
  expect((await ask(path)).status).toBe(status)
})

test('two first requests of what is loaded late are both answered', async () => {
  const responses = await Promise.all([ask('/admin/tenants'), ask('/admin/users')])
  expect(responses.map(({ status }) => status)).toEqual([200, 200])
})

test.each(['/v1/chat/completions', '/admin/keys'])('a wrong method on %s is told the right ones', async (path) => {
  const response = await ask(path, { method: 'PUT', body: '{}' })
  expect(response.status).toBe(405)
  expect(response.headers.get('allow')).toContain('POST')
})
