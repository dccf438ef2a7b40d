import { abortAllDurableObjects, evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Principal } from '../../src/chat/ports.ts'
import type { ChatTurnRequest } from '../../src/contract/chat-turn.ts'
import { newConversationId } from '../../src/conversation/conversation-id.ts'
import { durableConversations } from '../../src/conversation/durable-conversations.ts'
import { type ModelServer, modelServer } from './conversation-model-server.ts'

const DAY_MS = 86_400_000
const OUR_TENANT: Principal = { tenantId: 'tnt_a', keyId: 'key_a', scopes: ['chat'] }

const conversations = durableConversations(env.CONVERSATION)
let model: ModelServer

beforeEach(() => {
  model = modelServer()
  // The object writes why a turn failed; here turns fail on purpose.
  vi.spyOn(console, 'log').mockImplementation(() => {})
})
afterEach(() => {
  vi.restoreAllMocks()
})

async function turn(message: string, rest: Partial<ChatTurnRequest> = {}, principal = OUR_TENANT) {
  return conversations.turn({ principal, request: { message, user_id: 'label', ...rest }, requestId: 'req_1' })
}

async function answered(message: string, rest: Partial<ChatTurnRequest> = {}, principal = OUR_TENANT) {
  const result = await turn(message, rest, principal)
  if (!result.ok) throw new Error(`The turn failed: ${result.error.code} ${result.error.message}`)
  return result.response
}

async function started(): Promise<string> {
  return (await answered('hello')).conversation_id
}

function objectOf(conversationId: string, principal = OUR_TENANT) {
  return env.CONVERSATION.getByName(`${principal.tenantId}/${conversationId}`)
}

async function kindsIn(conversationId: string): Promise<string[]> {
  return runInDurableObject(objectOf(conversationId), (_, state) =>
    state.storage.sql
      .exec<{ kind: string }>('SELECT kind FROM item ORDER BY seq')
      .toArray()
      .map((row) => row.kind),
  )
}

async function tablesIn(conversationId: string): Promise<unknown[]> {
  return runInDurableObject(objectOf(conversationId), (_, state) =>
    state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'").toArray(),
  )
}

async function alarmOf(conversationId: string): Promise<number | null> {
  return runInDurableObject(objectOf(conversationId), (_, state) => state.storage.getAlarm())
}

/** What the model was shown, as `role: content`. */
function shown(index = -1): string[] {
  return (model.completions().at(index)?.body.messages ?? []).map(({ role, content }) => `${role}: ${content}`)
}

/** It had nothing to say for a time-out of its own: the turn fails at once, where one that is busy would be asked again. */
const SILENT = { status: 504, error: { message: 'silent', type: 'timeout_error' } }

describe('a turn', () => {
  test('starts a conversation under an id of the server, and answers in the contract’s shape', async () => {
    const before = Date.now()
    const response = await answered('What is 7 + 5?')
    expect(response).toEqual({
      response: 'answer 1',
      conversation_id: expect.stringMatching(/^conv_[0-9A-Za-z]{32}$/),
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      model_used: 'smollm2-135m-instruct',
    })
    expect(Date.parse(response.timestamp)).toBeGreaterThanOrEqual(before)
  })

  test('shows the model the turns before it, in order, with the caller’s settings, and asks for no count', async () => {
    const conversation_id = await started()
    await answered('second', { conversation_id })
    await answered('third', {
      conversation_id,
      model_config: { temperature: 0.5, top_p: 0.9, seed: 7, max_tokens: 33, model: 'smollm2-135m-instruct' },
    })
    expect(shown()).toEqual([
      'user: hello',
      'assistant: answer 1',
      'user: second',
      'assistant: answer 2',
      'user: third',
    ])
    expect(model.completions().at(-1)?.body).toMatchObject({
      model: 'smollm2-135m-instruct',
      temperature: 0.5,
      top_p: 0.9,
      seed: 7,
      max_tokens: 33,
    })
    expect(model.tokenizations()).toEqual([])
  })

  test('goes on where it was after the object was evicted', async () => {
    const conversation_id = await started()
    await evictDurableObject(objectOf(conversation_id))
    await answered('again', { conversation_id })
    expect(shown()).toEqual(['user: hello', 'assistant: answer 1', 'user: again'])
  })

  test('of the most bytes that a message can have fits a row and comes back as it was', async () => {
    model.contextTokens = 1_000_000
    const message = '\u0000'.repeat(262_144)
    const { conversation_id } = await answered(message)
    await answered('more', { conversation_id })
    expect(model.completions().at(-1)?.body.messages[0]?.content).toBe(message)
  })

  test('with an unknown model is refused before anything is stored', async () => {
    const conversationId = newConversationId()
    const result = await durableConversations(env.CONVERSATION, () => conversationId).turn({
      principal: OUR_TENANT,
      request: { message: 'hi', user_id: 'label', model_config: { model: 'no-such-model' } },
      requestId: 'req_1',
    })
    expect(result).toMatchObject({ ok: false, error: { code: 'model_not_found', param: 'model_config.model' } })
    expect(await tablesIn(conversationId)).toEqual([])
  })
})

describe('what was said is not lost', () => {
  test('the user’s turn is committed before the model is called', async () => {
    const conversation_id = await started()
    const release = model.hold()
    const pending = answered('second', { conversation_id })
    await model.asked(2)
    expect(await kindsIn(conversation_id)).toEqual(['user', 'assistant', 'user'])
    release()
    await pending
    expect(await kindsIn(conversation_id)).toEqual(['user', 'assistant', 'user', 'assistant'])
  })

  test('an object that dies while the model answers keeps the turn, and the next turn brings it to the model', async () => {
    const conversation_id = await started()
    model.hold()
    const pending = turn('lost', { conversation_id })
    const failure = expect(pending).rejects.toMatchObject({ code: 'internal_error' })
    await model.asked(2)
    await abortAllDurableObjects()
    await failure

    model.hold()()
    await answered('next', { conversation_id })
    expect(shown()).toEqual(['user: hello', 'assistant: answer 1', 'user: lost\n\nnext'])
    expect(await kindsIn(conversation_id)).toEqual(['user', 'assistant', 'user', 'failure', 'user', 'assistant'])
  })

  test('the alarm of an object that died marks the turn and waits for the expiry', async () => {
    const conversation_id = await started()
    model.hold()
    const pending = turn('lost', { conversation_id })
    const failure = expect(pending).rejects.toThrow()
    await model.asked(2)
    const expiresAt = Date.now() + 7 * DAY_MS
    await abortAllDurableObjects()
    await failure
    expect(await runDurableObjectAlarm(objectOf(conversation_id))).toBe(true)
    expect(await kindsIn(conversation_id)).toEqual(['user', 'assistant', 'user', 'failure'])
    expect(Math.abs(((await alarmOf(conversation_id)) ?? 0) - expiresAt)).toBeLessThan(10_000)
  })

  test('a turn that the model failed to answer joins the next one, once if it is said again', async () => {
    const conversation_id = await started()
    model.replies = [SILENT, SILENT]
    expect(await turn('first try', { conversation_id })).toMatchObject({ error: { code: 'upstream_timeout' } })
    expect(await turn('again', { conversation_id })).toMatchObject({ error: { code: 'upstream_timeout' } })
    await answered('again', { conversation_id })
    expect(shown()).toEqual(['user: hello', 'assistant: answer 1', 'user: first try\n\nagain'])
    await answered('thanks', { conversation_id })
    expect(shown().slice(2)).toEqual(['user: first try\n\nagain', 'assistant: answer 4', 'user: thanks'])
  })

  test('a first turn that failed in passing is kept, and its error says where to go on', async () => {
    model.replies = [SILENT]
    const result = await turn('hello')
    expect(result).toMatchObject({ ok: false, error: { code: 'upstream_timeout' } })
    const conversation_id = result.ok ? '' : String(result.error.details?.conversation_id)
    expect(await kindsIn(conversation_id)).toEqual(['user', 'failure'])
    await answered('again', { conversation_id })
    expect(shown()).toEqual(['user: hello\n\nagain'])
    // Whoever knows the id need not be told.
    model.replies = [SILENT]
    expect(await turn('more', { conversation_id })).not.toHaveProperty('error.details')
  })

  test('a first turn that the model refused for itself leaves no conversation behind', async () => {
    model.replies = [{ status: 400, error: { message: 'not allowed', type: 'invalid_request_error' } }]
    const conversationId = newConversationId()
    const result = await durableConversations(env.CONVERSATION, () => conversationId).turn({
      principal: OUR_TENANT,
      request: { message: 'poison', user_id: 'label' },
      requestId: 'req_1',
    })
    expect(result).toMatchObject({ ok: false, error: { code: 'upstream_rejected' } })
    expect(result).not.toHaveProperty('error.details')
    expect(await tablesIn(conversationId)).toEqual([])
    expect(await alarmOf(conversationId)).toBeNull()
    expect(await turn('hi', { conversation_id: conversationId })).toMatchObject({
      error: { code: 'conversation_not_found' },
    })
  })

  test('a turn that the model refused for itself is kept, and never shown to the model again', async () => {
    const conversation_id = await started()
    model.replies = [{ status: 400, error: { message: 'not allowed', type: 'invalid_request_error' } }]
    expect(await turn('poison', { conversation_id })).toMatchObject({ error: { code: 'upstream_rejected' } })
    await answered('fine', { conversation_id })
    expect(shown()).toEqual(['user: hello', 'assistant: answer 1', 'user: fine'])
    expect(await kindsIn(conversation_id)).toEqual(['user', 'assistant', 'user', 'failure', 'user', 'assistant'])
  })

  test('a cut answer is an error and is not stored as an answer', async () => {
    const conversation_id = await started()
    model.replies = [{ text: 'half of it', cut: true }]
    expect(await turn('long one', { conversation_id })).toMatchObject({ error: { code: 'upstream_interrupted' } })
    expect(await kindsIn(conversation_id)).toEqual(['user', 'assistant', 'user', 'failure'])
  })

  test('the turn of a caller who leaves is answered and stored', async () => {
    const conversation_id = await started()
    const release = model.hold()
    // Another object is the caller, and is gone in the middle of the call: to the conversation that looks like any hang-up.
    const caller = runInDurableObject(env.METRICS.getByName('a caller'), async (_, state) => {
      void turn('bye', { conversation_id })
      await model.asked(2)
      state.abort('The caller leaves')
    })
    await expect(caller).rejects.toThrow('The caller leaves')
    release()
    await answered('still there?', { conversation_id })
    expect(shown().slice(2)).toEqual(['user: bye', 'assistant: answer 2', 'user: still there?'])
  })
})

describe('turns sent at once', () => {
  test('are answered one after the other, in the order in which they came', async () => {
    const conversation_id = await started()
    const release = model.hold()
    const both = [answered('one', { conversation_id }), answered('two', { conversation_id })]
    await model.asked(2)
    expect(await kindsIn(conversation_id)).toEqual(['user', 'assistant', 'user'])
    expect(model.completions()).toHaveLength(2)
    release()
    expect((await Promise.all(both)).map(({ response }) => response)).toEqual(['answer 2', 'answer 3'])
    expect(shown()).toEqual(['user: hello', 'assistant: answer 1', 'user: one', 'assistant: answer 2', 'user: two'])
  })

  test('wait eight at most: the ninth waiter hears conversation_busy, all others are answered', async () => {
    const conversation_id = await started()
    const release = model.hold()
    const nine = Array.from({ length: 9 }, (_, index) => answered(`turn ${index}`, { conversation_id }))
    await model.asked(2)
    expect(await turn('one too many', { conversation_id })).toMatchObject({ error: { code: 'conversation_busy' } })
    release()
    expect((await Promise.all(nine)).map(({ response }) => response)).toEqual(
      nine.map((_, index) => `answer ${index + 2}`),
    )
    expect(await answered('and now', { conversation_id })).toMatchObject({ response: 'answer 11' })
  })

  test('go on after one of them failed', async () => {
    const conversation_id = await started()
    model.replies = [SILENT]
    const [first, second] = await Promise.all([turn('one', { conversation_id }), turn('two', { conversation_id })])
    expect(first).toMatchObject({ ok: false })
    expect(second).toMatchObject({ ok: true })
  })
})

describe('whose conversation it is', () => {
  test('another tenant’s, another user’s and a missing conversation are the same refusal', async () => {
    const user = { ...OUR_TENANT, userId: 'user_1' }
    const { conversation_id } = await answered('secret', {}, user)
    const missing = await turn('hi', { conversation_id: newConversationId() }, user)
    expect(missing).toMatchObject({ ok: false, error: { code: 'conversation_not_found' } })
    for (const principal of [{ ...user, tenantId: 'tnt_b' }, { ...user, userId: 'user_2' }, OUR_TENANT]) {
      expect(await turn('hi', { conversation_id }, principal)).toEqual(missing)
    }
    expect(await turn('hi', { conversation_id }, user)).toMatchObject({ ok: true })
    expect(model.completions()).toHaveLength(2)
  })

  test('two conversations of one tenant know nothing of each other', async () => {
    const first = await answered('my name is Ada')
    const second = await answered('who am I?')
    expect(second.conversation_id).not.toBe(first.conversation_id)
    expect(shown()).toEqual(['user: who am I?'])
  })

  test('the body’s user_id is a label: another one changes nothing', async () => {
    const conversation_id = await started()
    expect(await turn('hi', { conversation_id, user_id: 'someone else' })).toMatchObject({ ok: true })
  })
})

describe('expiry', () => {
  test('is seven days after the last turn, and the alarm then deletes everything', async () => {
    const conversation_id = await started()
    const first = await alarmOf(conversation_id)
    expect(Math.abs((first ?? 0) - (Date.now() + 7 * DAY_MS))).toBeLessThan(10_000)
    await answered('later', { conversation_id })
    expect(await alarmOf(conversation_id)).toBeGreaterThanOrEqual(first ?? 0)

    // Early: the platform may run an alarm twice.
    expect(await runDurableObjectAlarm(objectOf(conversation_id))).toBe(true)
    expect(await kindsIn(conversation_id)).toHaveLength(4)
    expect(await alarmOf(conversation_id)).toBeGreaterThanOrEqual(first ?? 0)

    await expire(conversation_id)
    expect(await runDurableObjectAlarm(objectOf(conversation_id))).toBe(true)
    const tables = await runInDurableObject(objectOf(conversation_id), (_, state) =>
      state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name IN ('item', 'conversation')").toArray(),
    )
    expect(tables).toEqual([])
    expect(await alarmOf(conversation_id)).toBeNull()
    expect(await turn('hi', { conversation_id })).toMatchObject({ error: { code: 'conversation_not_found' } })
  })

  test('counts from its time, not from when the alarm ran', async () => {
    const conversation_id = await started()
    await expire(conversation_id)
    expect(await turn('hi', { conversation_id })).toMatchObject({ error: { code: 'conversation_not_found' } })
  })

  test('waits while the model answers: the alarm then only keeps the object alive, every 15 seconds', async () => {
    const conversation_id = await started()
    const release = model.hold()
    const pending = answered('slow', { conversation_id })
    await model.asked(2)
    const soon = await alarmOf(conversation_id)
    expect((soon ?? 0) - Date.now()).toBeLessThanOrEqual(15_000)
    await expire(conversation_id)
    expect(await runDurableObjectAlarm(objectOf(conversation_id))).toBe(true)
    expect(((await alarmOf(conversation_id)) ?? 0) - Date.now()).toBeLessThanOrEqual(15_000)
    release()
    expect(await pending).toMatchObject({ response: 'answer 2' })
    expect(((await alarmOf(conversation_id)) ?? 0) - Date.now()).toBeGreaterThan(6 * DAY_MS)
  })

  async function expire(conversationId: string): Promise<void> {
    await runInDurableObject(objectOf(conversationId), (_, state) => {
      state.storage.sql.exec('UPDATE conversation SET expires_at_ms = ?', Date.now() - 1)
    })
  }
})

describe('bounds', () => {
  test('turns beyond the model’s context are dropped, oldest first, and then nobody needs to count again', async () => {
    model.contextTokens = 2_000
    model.replies = Array.from({ length: 8 }, (_, index) => ({ text: String(index).repeat(300) }))
    let conversation_id: string | undefined
    for (let index = 0; index < 6; index++) {
      const response = await answered(`${index}${'x'.repeat(199)}`, conversation_id ? { conversation_id } : {})
      conversation_id = response.conversation_id
    }
    const sizes = model
      .completions()
      .map(({ body }) => body.messages.reduce((sum, { content }) => sum + content.length, 0))
    // 512 are kept for the answer.
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2_000 - 512)
    const last = shown()
    expect(last.at(-1)).toMatch(/^user: 5x/)
    expect(last.at(-2)).toMatch(/^assistant: 4/)
    expect(last[0]).not.toMatch(/^user: 0x/)
    expect(last[0]).toMatch(/^user: /)
    const counts = model.tokenizations().length
    await answered('short', { conversation_id })
    expect(model.tokenizations()).toHaveLength(counts)
    expect(shown()).toEqual([...last, `assistant: ${'5'.repeat(300)}`, 'user: short'])
  })

  test('a long conversation is counted once, then the context’s length and the last answer’s count are known', async () => {
    const { conversation_id } = await answered('x'.repeat(3_000))
    expect(model.tokenizations()).toHaveLength(1)
    await answered('y'.repeat(3_000), { conversation_id })
    expect(model.tokenizations()).toHaveLength(1)
    expect(shown()).toHaveLength(3)
  })

  test('turns that together are too long to be counted are dropped, oldest first, and the conversation goes on', async () => {
    Object.assign(model, { charsMax: 13_000, contextTokens: 18_000 })
    const { conversation_id } = await answered(`${'-'.repeat(6_000)} 1`)
    await answered(`${'-'.repeat(6_000)} 2`, { conversation_id })
    await answered(`${'-'.repeat(6_000)} 3`, { conversation_id })
    await answered(`${'-'.repeat(6_000)} 4`, { conversation_id })
    expect(shown().map((line) => line.slice(-8))).toEqual(['------ 3', 'answer 3', '------ 4'])
  })

  test('a message that is too long to be counted does not spoil the conversation that kept it for being unanswered', async () => {
    model.contextTokens = 1_000_000
    model.replies = [SILENT]
    const first = await turn('x'.repeat(14_000))
    const conversation_id = first.ok ? '' : String(first.error.details?.conversation_id)
    model.charsMax = 13_000
    await answered('hi', { conversation_id })
    expect(shown()).toEqual(['user: hi'])
  })

  test('a first message that is too long to be counted is an error that names it', async () => {
    model.charsMax = 13_000
    const result = await turn('x'.repeat(14_000))
    expect(result).toMatchObject({ ok: false, error: { code: 'context_length_exceeded', param: 'message' } })
    expect(result).not.toHaveProperty('error.details')
  })

  test('a message that is too long for the model alone is an error that names it', async () => {
    model.contextTokens = 3_000
    const result = await turn('x'.repeat(3_000))
    expect(result).toMatchObject({ ok: false, error: { code: 'context_length_exceeded', param: 'message' } })
    expect(model.completions()).toEqual([])
  })

  test('a message that the model finds too long when nothing is left to drop is told so once, as the field of /chat', async () => {
    const tooLong = { message: 'too long', type: 'invalid_request_error', code: 'context_length_exceeded' }
    model.replies = [{ status: 400, error: tooLong }]
    const result = await turn('hello')
    expect(result).toMatchObject({ ok: false, error: { code: 'context_length_exceeded', param: 'message' } })
    expect(model.completions()).toHaveLength(1)
    expect(model.tokenizations()).toEqual([])
  })

  test('a message that is still too long when all turns before it are dropped is named by the field of /chat', async () => {
    const conversation_id = await started()
    const error = { message: 'too long', type: 'invalid_request_error', code: 'context_length_exceeded' }
    model.replies = [
      { status: 400, error },
      { status: 400, error },
    ]
    model.contextTokens = 40
    const result = await turn('now smaller', { conversation_id, model_config: { max_tokens: 20 } })
    expect(result).toMatchObject({ ok: false, error: { code: 'context_length_exceeded', param: 'message' } })
    expect(model.completions()).toHaveLength(3)
  })

  test('an answer that is too long to store ends between two characters, never within one', async () => {
    model.replies = [{ text: `${'a'.repeat(262_143)}😀` }]
    const { response } = await answered('go on')
    // Not the text itself: half a character in a failed assertion breaks the runner's own connection.
    expect({ length: response.length, wellFormed: response.isWellFormed() }).toEqual({
      length: 262_143,
      wellFormed: true,
    })
  })

  test('max_tokens is cut to the room that is left', async () => {
    model.contextTokens = 3_000
    await answered('x'.repeat(2_000), { model_config: { max_tokens: 5_000 } })
    expect(model.completions().at(-1)?.body.max_tokens).toBe(1_000)
  })

  test('when the model refuses what was believed to fit, the history is counted and fitted', async () => {
    const conversation_id = await started()
    model.replies = [
      { status: 400, error: { message: 'too long', type: 'invalid_request_error', code: 'context_length_exceeded' } },
    ]
    model.contextTokens = 40
    expect(await answered('now smaller', { conversation_id, model_config: { max_tokens: 20 } })).toMatchObject({
      response: 'answer 3',
    })
    expect(shown()).toEqual(['user: now smaller'])
  })

  test('a conversation of 10,000 items takes no more turns', async () => {
    const conversation_id = await started()
    await runInDurableObject(objectOf(conversation_id), (_, state) => {
      state.storage.sql.exec('UPDATE conversation SET item_count = 9999')
    })
    expect(await turn('one more', { conversation_id })).toMatchObject({ error: { code: 'conversation_full' } })
  })
})
