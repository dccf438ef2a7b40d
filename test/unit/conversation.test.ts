/** The pure parts of a conversation: ids, the queue, what rows hold, and which turns the model is shown. */
import { describe, expect, test } from 'vitest'
import type { Message } from '../../src/contract/chat-completion.ts'
import { CONVERSATION_ID } from '../../src/contract/chat-turn.ts'
import { newConversationId } from '../../src/conversation/conversation-id.ts'
import { type FitInput, fitHistory } from '../../src/conversation/fit-history.ts'
import {
  messagesOf,
  type Turn,
  turnsOf,
  UNANSWERED_BYTES_MAX,
  withoutOldest,
} from '../../src/conversation/history-window.ts'
import { decodeItem, encodeItem, type Item, type ItemContent } from '../../src/conversation/item-codec.ts'
import { turnQueue } from '../../src/conversation/turn-queue.ts'
import { AppError } from '../../src/errors.ts'

describe('a conversation’s id', () => {
  test('has the form of the contract and is new each time', () => {
    const ids = Array.from({ length: 100 }, () => newConversationId())
    for (const id of ids) expect(id).toMatch(CONVERSATION_ID)
    expect(new Set(ids).size).toBe(100)
  })

  test('favours no digit: a byte from 248 on is never used, for 62 does not divide 256', () => {
    let byte = 255
    const fill = (bytes: Uint8Array) => {
      bytes.fill(byte)
      byte = byte > 248 ? byte - 1 : 0
    }
    expect(newConversationId(fill)).toBe(`conv_${'0'.repeat(32)}`)
  })
})

describe('the queue of turns', () => {
  test('runs one at a time, in order, whatever becomes of those before', async () => {
    const queue = turnQueue(8)
    const log: string[] = []
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const results = [0, 1].map((index) =>
      queue.run(async () => {
        log.push(`start ${index}`)
        await gates[index]?.promise
        log.push(`end ${index}`)
        if (index === 0) throw new Error('first failed')
        return index
      }),
    )
    gates[1]?.resolve()
    await Promise.resolve()
    gates[0]?.resolve()
    await expect(results[0]).rejects.toThrow('first failed')
    expect(await results[1]).toBe(1)
    expect(log).toEqual(['start 0', 'end 0', 'start 1', 'end 1'])
    expect(queue.busy()).toBe(false)
  })

  test('takes one that runs and as many that wait as it may, and more once one is done', async () => {
    const queue = turnQueue(2)
    const gate = Promise.withResolvers<void>()
    const jobs = [1, 2, 3].map(() => queue.run(() => gate.promise))
    expect(queue.run(() => gate.promise)).toBeUndefined()
    expect(queue.busy()).toBe(true)
    gate.resolve()
    await Promise.all(jobs)
    expect(queue.run(async () => 'again')).toBeDefined()
  })
})

describe('an item', () => {
  const place = { seq: 3, item_id: 'item_b', parent_id: 'item_a' }

  test.each<ItemContent>([
    { kind: 'system', body: { text: 'be brief', atMs: 1 } },
    { kind: 'user', body: { text: 'a\u0000\ud800 é 😀', atMs: 1, userLabel: 'u' } },
    {
      kind: 'assistant',
      body: { text: '', atMs: 1, model: 'm', finishReason: 'stop', promptFromSeq: 1, promptTokens: 4 },
    },
    { kind: 'failure', body: { atMs: 1, code: 'upstream_timeout' } },
  ])('of kind $kind comes back as it was', (content) => {
    const { kind, body, schemaVersion } = encodeItem(content)
    const row = { ...place, kind, body: body.slice().buffer, schema_version: schemaVersion }
    expect(decodeItem(row)).toEqual({ ...content, seq: 3, itemId: 'item_b', parentId: 'item_a' })
  })

  test('of another schema version, of an unknown kind or damaged is refused, not guessed at', () => {
    const { kind, body } = encodeItem({ kind: 'failure', body: { atMs: 1, code: 'x' } })
    const row = { ...place, kind, body: body.slice().buffer, schema_version: 1 }
    expect(() => decodeItem({ ...row, schema_version: 2 })).toThrow('schema version 2')
    expect(() => decodeItem({ ...row, kind: 'poem' })).toThrow('unknown kind')
    expect(() => decodeItem({ ...row, kind: 'user' })).toThrow()
    expect(() => decodeItem({ ...row, body: new Uint8Array([0xff]).buffer })).toThrow()
  })
})

describe('what the model is shown', () => {
  let seq = 0
  const item = (content: ItemContent): Item => ({ ...content, seq: ++seq, itemId: `i${seq}`, parentId: null })
  const user = (text: string) => item({ kind: 'user', body: { text, atMs: 0, userLabel: 'u' } })
  const answer = (text: string) =>
    item({ kind: 'assistant', body: { text, atMs: 0, model: 'm', finishReason: 'stop', promptFromSeq: 1 } })
  const failure = (code: string) => item({ kind: 'failure', body: { atMs: 0, code } })

  test('the system text first, then the turns in order, then the message', () => {
    const turns = turnsOf([user('a'), answer('b'), user('c'), answer('d')])
    expect(messagesOf(['be brief'], turns, 'e')).toEqual([
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
      { role: 'user', content: 'c' },
      { role: 'assistant', content: 'd' },
      { role: 'user', content: 'e' },
    ])
  })

  test('words without an answer join those after them; refused ones are left out; roles alternate', () => {
    const turns = turnsOf([
      user('lost'),
      failure('internal_error'),
      user('poison'),
      failure('upstream_rejected'),
      user('too long'),
      failure('context_length_exceeded'),
      user('of a later release'),
      failure('some_new_code'),
      user('c'),
      answer('d'),
    ])
    expect(messagesOf([], turns, 'e')).toEqual([
      { role: 'user', content: 'lost\n\nof a later release\n\nc' },
      { role: 'assistant', content: 'd' },
      { role: 'user', content: 'e' },
    ])
  })

  test('of words without an answer that would become one message, the newest within a bound', () => {
    const half = (letter: string) => letter.repeat(UNANSWERED_BYTES_MAX / 2)
    const shown = (...items: Item[]) => turnsOf(items).map((turn) => turn.user[0])
    const lost = (text: string) => [user(text), failure('upstream_timeout')]
    expect(shown(...lost(half('a')), ...lost(half('b')), ...lost(half('c')))).toEqual(['b', 'c'])
    expect(shown(...lost(half('a')), ...lost(half('b')), ...lost(half('b')))).toEqual(['a', 'b', 'b'])
    expect(shown(...lost('é'.repeat(UNANSWERED_BYTES_MAX)), ...lost('z'))).toEqual(['z'])
    // Those that an answer parts are parts of two messages.
    expect(shown(...lost(half('a')), user(half('b')), answer('!'), ...lost(half('c')), ...lost(half('d')))).toEqual([
      ...['a', 'b', 'c', 'd'],
    ])
  })

  test('an answer whose question was left out of the history is left out too', () => {
    expect(turnsOf([answer('b'), user('c'), answer('d')])).toHaveLength(1)
  })

  test('dropping takes the oldest, one at least, and as many as the tokens ask for', () => {
    const turns: Turn[] = ['a', 'b', 'c', 'd'].map((user, index) => ({ firstSeq: index, user: user.repeat(84) }))
    // Each is 100 of 400 bytes with its template, so 25 of 100 tokens.
    expect(withoutOldest(turns, 100, 400, 1)).toEqual(turns.slice(1))
    expect(withoutOldest(turns, 100, 400, 26)).toEqual(turns.slice(2))
    expect(withoutOldest(turns, 100, 400, 1_000)).toEqual([])
  })
})

describe('fitting', () => {
  const never = new AbortController().signal
  const turn = (firstSeq: number, chars: number): Turn => ({ firstSeq, user: 'u'.repeat(chars), answer: 'a' })
  const input: FitInput = {
    model: 'm',
    system: [],
    turns: [],
    message: 'hello',
    maxTokens: undefined,
    contextTokens: undefined,
    counted: undefined,
    mustCount: false,
  }

  /** One token for every four characters, as prose has. */
  function counter(contextTokens: number) {
    const asked: Message[][] = []
    const chars = (messages: Message[]) => messages.reduce((sum, { content }) => sum + String(content).length, 0)
    return {
      asked,
      async count(_: string, messages: Message[]) {
        asked.push(messages)
        return { tokens: Math.ceil(chars(messages) / 4), contextTokens }
      },
    }
  }

  test('asks nobody when even the bytes would fit the smallest context', async () => {
    const server = counter(8_192)
    const fit = await fitHistory({ ...input, turns: [turn(1, 1_000)] }, server, never)
    expect(fit.turns).toHaveLength(1)
    expect(server.asked).toEqual([])
  })

  test('asks nobody when the last count and the bytes since then fit', async () => {
    const server = counter(8_192)
    const turns = [turn(1, 9_000), turn(3, 9_000)]
    const counted = { fromSeq: 1, beforeSeq: 5, tokens: 7_400 }
    const fit = await fitHistory({ ...input, turns, counted, contextTokens: 8_192 }, server, never)
    expect(fit.turns).toHaveLength(2)
    expect(server.asked).toEqual([])
  })

  test('what was dropped stays dropped, so that the prompt’s beginning stays the same', async () => {
    const counted = { fromSeq: 3, beforeSeq: 5, tokens: 100 }
    const fit = await fitHistory({ ...input, turns: [turn(1, 10), turn(3, 10)], counted }, counter(8_192), never)
    expect(fit.turns.map(({ firstSeq }) => firstSeq)).toEqual([3])
  })

  test('counts when it may not fit, and keeps what does', async () => {
    const server = counter(8_192)
    const fit = await fitHistory({ ...input, turns: [turn(1, 3_000)] }, server, never)
    expect(server.asked).toHaveLength(1)
    expect(fit).toMatchObject({ contextTokens: 8_192, turns: [{ firstSeq: 1 }] })
  })

  test('drops the oldest down to three quarters, never the system text', async () => {
    const turns = Array.from({ length: 40 }, (_, index) => turn(index, 1_000))
    const fit = await fitHistory({ ...input, system: ['be brief'], turns }, counter(8_192), never)
    expect(fit.messages[0]).toEqual({ role: 'system', content: 'be brief' })
    expect(fit.turns.at(-1)?.firstSeq).toBe(39)
    const tokens = fit.turns.length * 250
    expect(tokens + 512).toBeLessThanOrEqual(0.75 * 8_192)
    expect(tokens + 512).toBeGreaterThan(0.6 * 8_192)
  })

  test('asks a bounded number of times, then shows the message alone', async () => {
    let asked = 0
    const stubborn = {
      async count(_: string, messages: Message[]) {
        asked += 1
        return { tokens: messages.length === 1 ? 10 : 2_000, contextTokens: 2_048 }
      },
    }
    const turns = Array.from({ length: 2_000 }, (_, index) => turn(index, 1_000))
    const fit = await fitHistory({ ...input, turns }, stubborn, never)
    expect(fit.turns).toEqual([])
    expect(asked).toBeLessThanOrEqual(6)
  })

  /** Refuses by characters before it counts, as our inference server does. */
  function refusingCounter(contextTokens: number, charsMax: number) {
    const server = counter(contextTokens)
    return {
      asked: server.asked,
      async count(model: string, messages: Message[]) {
        const counted = await server.count(model, messages)
        const chars = messages.reduce((sum, { content }) => sum + String(content).length, 0)
        if (chars <= charsMax) return counted
        throw new AppError('context_length_exceeded', 'The prompt is too long.', { param: 'messages' })
      },
    }
  }

  test('drops the older half as long as the server finds the rest too long to count', async () => {
    const server = refusingCounter(1_000_000, 130_000)
    const turns = Array.from({ length: 32 }, (_, index) => turn(index, 50_000))
    const fit = await fitHistory({ ...input, turns }, server, never)
    expect(fit.turns.map(({ firstSeq }) => firstSeq)).toEqual([30, 31])
    expect(server.asked).toHaveLength(5)
  })

  test('what is dropped for being too long to count does not use up the counts', async () => {
    const server = refusingCounter(20_000, 130_000)
    const turns = Array.from({ length: 2_000 }, (_, index) => turn(index, 1_000))
    const fit = await fitHistory({ ...input, turns }, server, never)
    expect(fit.turns.at(-1)?.firstSeq).toBe(1_999)
    expect(fit.turns.length).toBeGreaterThan(40)
    expect(server.asked.length).toBeLessThan(10)
  })

  test('a message that the server finds too long to count is named once nothing is left to drop', async () => {
    const server = refusingCounter(1_000_000, 130_000)
    const fit = fitHistory({ ...input, turns: [turn(1, 10), turn(3, 10)], message: 'x'.repeat(141_000) }, server, never)
    await expect(fit).rejects.toMatchObject({ code: 'context_length_exceeded', param: 'message' })
    expect(server.asked.at(-1)).toHaveLength(1)
  })

  test('any other failure of the counter is passed on', async () => {
    const broken = {
      count: () => Promise.reject(new AppError('upstream_timeout', 'The model did not answer in time.')),
    }
    const fit = fitHistory({ ...input, turns: [turn(1, 3_000)] }, broken, never)
    await expect(fit).rejects.toMatchObject({ code: 'upstream_timeout' })
  })

  test('keeps room for the answer that was asked for, and asks for no more than there is', async () => {
    const turns = [turn(1, 8_000), turn(3, 8_000)]
    const fit = await fitHistory({ ...input, turns, maxTokens: 3_000 }, counter(4_500), never)
    expect(fit).toMatchObject({ turns: [], maxTokens: 3_000 })
    const greedy = await fitHistory({ ...input, turns, maxTokens: 9_000 }, counter(8_192), never)
    expect(greedy).toMatchObject({ turns: [{ firstSeq: 1 }, { firstSeq: 3 }], maxTokens: 8_192 - 4_002 })
  })

  test('a message that leaves no room for any answer is too long', async () => {
    const long = fitHistory({ ...input, message: 'x'.repeat(8_000) }, counter(2_010), never)
    await expect(long).rejects.toMatchObject({ code: 'context_length_exceeded', param: 'message' })
    const short = await fitHistory({ ...input, message: 'x'.repeat(8_000) }, counter(2_016), never)
    expect(short.messages).toHaveLength(1)
  })
})
