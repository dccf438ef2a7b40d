/**
 * Identical requests in flight, each a request of the platform's own: in workerd one must not touch another's streams, timers or
 * promises. The suite `worker` cannot show that: its plugin turns off how one request wakes another (the compatibility flag
 * no_handle_cross_request_promise_resolution).
 */
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeApiKey } from '../../src/auth/api-key.ts'
import type { ChatResponse } from '../../src/contract/chat-completion.ts'
import { type GatedModel, gatedModel } from '../support/gated-model.ts'
import { type PlainWorkerd, plainWorkerd } from '../support/plain-workerd.ts'
import { until } from '../support/until.ts'

const MODEL = 'smollm2-135m-instruct'
const DONE = 'data: [DONE]\n\n'
const KEY = makeApiKey()

function event(choice: object, more: object = {}): string {
  const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_764_000_000, model: MODEL }
  return `data: ${JSON.stringify({ ...head, choices: [{ index: 0, delta: {}, finish_reason: null, ...choice }], ...more })}\n\n`
}

const EVENTS = [
  event({ delta: { role: 'assistant', content: '' } }, { prompt_token_ids: [1, 2, 3] }),
  event({ delta: { content: 'Hello' }, token_ids: [10] }),
  event({ delta: { content: ' world' }, token_ids: [11] }),
  ...Array.from({ length: 40 }, () => event({ delta: { content: ' again' }, token_ids: [12] })),
  event({ finish_reason: 'stop', token_ids: [2] }),
  `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: MODEL, choices: [], usage: { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 } })}\n\n`,
  DONE,
]
const ANSWER = `Hello world${' again'.repeat(40)}`
/** `Hello` has been said, ` world` has not. */
const HALF = 2

let model: GatedModel
let edge: PlainWorkerd

beforeAll(async () => {
  model = await gatedModel(EVENTS)
  edge = await plainWorkerd(join(import.meta.dirname, '../worker/joining-worker.ts'), { MODEL_URL: model.url })
})
afterAll(async () => {
  await edge?.stop()
  await model?.close()
})
beforeEach(() => model.reset())

let questions = 0

/** Asks what nobody asked before; the same function asks the same again. */
function question(): (more?: object, init?: RequestInit) => Promise<Response> {
  questions += 1
  const messages = [{ role: 'user', content: `Question ${questions}` }]
  return (more = {}, init = {}) =>
    fetch(`${edge.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: MODEL, temperature: 0, messages, ...more }),
      ...init,
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    })
}

/**
 * The model goes on, token after token, until `condition`. Plain workerd sees that a caller is gone when it has something to send, not
 * before.
 */
async function saysOnUntil(what: string, condition: (said: number) => boolean): Promise<void> {
  let said = HALF
  await until(
    what,
    () => {
      said += 1
      model.release(said)
      return condition(said)
    },
    10_000,
  )
}

const called = (times: number) =>
  until(`the model was called ${times} times`, () => model.calls.length >= times, 20_000)
const arrived = async () => Number(await (await fetch(`${edge.url}/arrived`)).text())
const statusOf = (response: Response) => response.headers.get('x-perigee-cache')

async function textOf(response: Response): Promise<string> {
  // Sound enough for a test: another body has no text.
  const answer = (await response.json()) as Partial<ChatResponse>
  return answer.choices?.[0]?.message.content ?? ''
}

describe('1,000 identical requests at once', () => {
  test.each([
    { how: 'streamed', stream: true },
    { how: 'whole', stream: false },
  ])(
    'make one call to the model, and all get the whole answer: $how',
    async ({ stream }) => {
      const ask = question()
      const before = await arrived()
      const asked = Array.from({ length: 999 }, async () => {
        const response = await ask({ stream })
        return { status: statusOf(response), text: await response.text() }
      })
      await until('all have arrived', async () => (await arrived()) === before + 999, 30_000)
      // The last one asks for a stream: when that has begun, the others have joined.
      model.release(1)
      const last = await ask({ stream: true })
      model.release(EVENTS.length)
      const answers = [...(await Promise.all(asked)), { status: statusOf(last), text: await last.text() }]
      expect(model.calls).toHaveLength(1)
      const count = (status: string) => answers.filter((answer) => answer.status === status).length
      // Who comes when the answer is whole already gets it from memory.
      expect([count('miss'), count('join') + count('hit')]).toEqual([1, 999])
      expect(count('join')).toBeGreaterThan(100)
      expect(answers.filter(({ text }) => /Hello world|Hello".* world"/s.test(text))).toHaveLength(1_000)
      expect(answers.filter(({ text }) => text.endsWith(DONE))).toHaveLength(stream ? 1_000 : 1)
      expect(edge.output()).toBe('')
    },
    60_000,
  )
})

describe('callers who joined', () => {
  test('get the answer while it is made, those who come late from its beginning', async () => {
    const ask = question()
    const first = ask({ stream: true })
    await called(1)
    model.release(HALF)
    const reader = bodyOf(await first)
    expect(await reader.read()).toContain('assistant')
    const late = await ask({ stream: true })
    expect(statusOf(late)).toBe('join')
    const lateReader = bodyOf(late)
    expect(await lateReader.read()).toContain('Hello')
    model.release(EVENTS.length)
    expect(await reader.rest()).toContain('world')
    expect((await lateReader.rest()).endsWith(DONE)).toBe(true)
    expect(model.calls).toHaveLength(1)
  })

  test('go on when the one who asked the model hangs up, and the answer is remembered', async () => {
    const ask = question()
    const hangUp = new AbortController()
    const first = ask({ stream: true }, { signal: hangUp.signal })
    await called(1)
    model.release(HALF)
    const reader = bodyOf(await first)
    await reader.read()
    const joined = await ask({ stream: true })
    const whole = ask()
    hangUp.abort()
    await saysOnUntil('the answer is whole', (said) => said >= EVENTS.length)
    expect((await joined.text()).endsWith(DONE)).toBe(true)
    expect(await textOf(await whole)).toBe(ANSWER)
    expect(model.calls).toHaveLength(1)
    expect(model.calls[0]?.gone).toBe(false)
    const again = await ask()
    expect([statusOf(again), await textOf(again)]).toEqual(['hit', ANSWER])
  })

  test('hang up, and only when nobody is left is the model stopped', async () => {
    const ask = question()
    const first = ask({ stream: true })
    await called(1)
    model.release(HALF)
    const readers = [bodyOf(await first), bodyOf(await ask({ stream: true })), bodyOf(await ask({ stream: true }))]
    for (const reader of readers) expect(await reader.read()).toContain('assistant')
    await readers[0]?.cancel()
    await readers[2]?.cancel()
    const late = bodyOf(await ask({ stream: true }))
    expect(await late.read()).toContain('Hello')
    expect(model.calls).toMatchObject([{ gone: false }])
    await readers[1]?.cancel()
    await late.cancel()
    await saysOnUntil('the model was left', () => model.calls[0]?.gone === true)
    // Half an answer is nobody's.
    model.release(EVENTS.length)
    const again = await ask()
    expect([statusOf(again), await textOf(again), model.calls.length]).toEqual(['miss', ANSWER, 2])
  })

  test('get the same error when the model refuses, from one call', async () => {
    model.reset(500)
    const ask = question()
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask()))
    expect(new Set(answers.map(({ status }) => status)).size).toBe(1)
    expect(answers[0]?.ok).toBe(false)
    expect(model.calls.length).toBeLessThan(5)
  })

  test('get the same error event when the answer breaks off, and nothing is remembered', async () => {
    const ask = question()
    const first = ask({ stream: true })
    await called(1)
    model.release(HALF)
    const streams = [await first, await ask({ stream: true })]
    const readers = streams.map(bodyOf)
    for (const reader of readers) await reader.read()
    model.breakOff()
    for (const reader of readers) {
      const text = await reader.rest()
      expect(text).toContain('upstream_interrupted')
      expect(text).not.toContain(DONE)
    }
    expect(model.calls).toHaveLength(1)
    model.release(EVENTS.length)
    expect(statusOf(await ask())).toBe('miss')
  })
})

function bodyOf(response: Response) {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const utf8 = new TextDecoder()
  const read = async () => utf8.decode((await reader.read()).value)
  return {
    read,
    cancel: () => reader.cancel(),
    async rest() {
      let text = ''
      for (let piece = await read(); piece !== ''; piece = await read()) text += piece
      return text
    },
  }
}
