/** What the two hosts of a completion tell routing of a request: where its caller is, and its conversation. Runs in workerd. */
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Attempt, RequestFacts } from '../../src/chat/ports.ts'
import { durableConversations } from '../../src/conversation/durable-conversations.ts'
import type { Conversations } from '../../src/http/ports.ts'
import { wire } from '../../src/wiring.ts'
import { modelServer } from './conversation-model-server.ts'
import { edge, MODEL } from './edge-client.ts'

beforeEach(() => {
  modelServer()
  vi.spyOn(console, 'log').mockImplementation(() => {})
})
afterEach(() => {
  vi.restoreAllMocks()
})

/** As Cloudflare has it: degrees are text. */
const CF = { country: 'DE', continent: 'EU', latitude: '50.11', longitude: '8.68', colo: 'FRA' }
const FRANKFURT = { country: 'DE', continent: 'EU', latitude: 50.11, longitude: 8.68 }
/** Nothing remembered answers, for then nobody is chosen. */
const from = (cf: object) => ({ cf, headers: { 'x-perigee-cache': 'off' } }) as RequestInit

function attemptThatTells(attempt: Attempt): { attempt: Attempt; told: RequestFacts[] } {
  const told: RequestFacts[] = []
  return {
    told,
    attempt(route, call, signal) {
      told.push(call.facts)
      return attempt(route, call, signal)
    },
  }
}

test.each([
  ['/v1/chat/completions', { model: MODEL, messages: [{ role: 'user', content: 'Hi' }] }],
  ['/v1/completions', { model: MODEL, prompt: 'Hi' }],
  ['/generate', { text: 'Hi' }],
  ['/v1/messages', { model: MODEL, max_tokens: 5, messages: [{ role: 'user', content: 'Hi' }] }],
])('%s tells where its caller is, where the platform says it', async (path, body) => {
  let told: RequestFacts[] = []
  const { post } = edge({}, ({ complete }) => {
    const telling = attemptThatTells(complete.attempt)
    told = telling.told
    return { complete: { ...complete, attempt: telling.attempt } }
  })
  for (const cf of [CF, { country: 'DE', latitude: '91', longitude: 'east' }])
    await (await post(path, body, from(cf))).text()
  expect(told.map(({ place }) => place)).toEqual([FRANKFURT, { country: 'DE' }])
})

test('/chat hands on where its caller is', async () => {
  const calls: Parameters<Conversations['turn']>[0][] = []
  const { post } = edge({}, ({ conversations }) => ({
    conversations: {
      turn(call) {
        calls.push(call)
        return conversations.turn(call)
      },
    },
  }))
  await (await post('/chat', { message: 'Hi', user_id: 'u' }, from(CF))).text()
  expect(calls.map(({ place }) => place)).toEqual([FRANKFURT])
})

test('a turn of a conversation tells routing which one it is, and where its caller is', async () => {
  const principal = { tenantId: 'tnt_a', keyId: 'key_a', scopes: ['chat' as const] }
  const conversations = durableConversations(env.CONVERSATION)
  const turn = (conversation_id?: string) =>
    conversations.turn({
      principal,
      request: { message: 'Hi', user_id: 'u', ...(conversation_id ? { conversation_id } : {}) },
      requestId: 'req_1',
      place: FRANKFURT,
    })
  const first = await turn()
  if (!first.ok) throw new Error(first.error.code)
  const { conversation_id } = first.response
  const object = env.CONVERSATION.getByName(`tnt_a/${conversation_id}`)
  const told = await runInDurableObject(object, async (instance) => {
    // Sound: a class of the platform has its bindings there, and the same bindings get the same wiring.
    const { complete } = wire((instance as unknown as { env: typeof env }).env)
    const telling = attemptThatTells(complete.attempt)
    complete.attempt = telling.attempt
    return telling.told
  })
  expect(await turn(conversation_id)).toMatchObject({ ok: true })
  expect(told.map(({ conversationId, place }) => ({ conversationId, place }))).toEqual([
    { conversationId: conversation_id, place: FRANKFURT },
  ])
})
