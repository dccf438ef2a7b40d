import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChatChunk, ChatResponse, TextResponse, Usage } from '../../../src/contract/chat-completion.ts'
import { MODEL, metric, post, type RealServer, readEvents, startRealServer } from './real-server.ts'

let server: RealServer
let chatUrl: string
beforeAll(async () => {
  server = await startRealServer()
  chatUrl = `${server.url}/v1/chat/completions`
})
afterAll(() => server.stop(0))

const QUESTION = {
  model: MODEL,
  messages: [{ role: 'user', content: 'What is 7 + 5?' }],
  temperature: 0,
  return_token_ids: true,
}
const ask = async (body: object) => (await (await post(chatUrl, { ...QUESTION, ...body })).json()) as ChatResponse
/** Sound because the server sends chat chunks on this route; the events' shape is what the tests check. */
const stream = async (body: object) => {
  const read = await readEvents(await post(chatUrl, { ...QUESTION, stream: true, ...body }))
  return { ...read, events: read.events as ChatChunk[] }
}
const idsOf = (events: ChatChunk[]) => events.flatMap(({ choices }) => choices[0]?.token_ids ?? [])
/** How much was cached depends on what was asked before. */
const withoutCache = (usage: Usage | null | undefined) => ({ ...usage, prompt_tokens_details: undefined })
const textOf = (events: ChatChunk[]) => events.map(({ choices }) => choices[0]?.delta.content ?? '').join('')

test('asked for 7 + 5, the model says 12', async () => {
  const answer = await ask({})
  expect(answer.choices[0]?.message.content).toContain('12')
  expect(answer.choices[0]?.finish_reason).toBe('stop')
})

test('streamed and whole, the answer is the same: text, ids, usage, reason', async () => {
  const whole = await ask({})
  const { events, isDone } = await stream({ stream_options: { include_usage: true } })
  expect(isDone).toBe(true)
  expect(textOf(events)).toBe(whole.choices[0]?.message.content)
  expect(idsOf(events)).toEqual(whole.choices[0]?.token_ids)
  expect(events[0]?.prompt_token_ids).toEqual(whole.prompt_token_ids)
  expect(events.slice(1).some((event) => event.prompt_token_ids !== undefined)).toBe(false)
  expect(events.at(-1)?.choices).toEqual([])
  expect(withoutCache(events.at(-1)?.usage)).toEqual(withoutCache(whole.usage))
  expect(events.at(-2)?.choices[0]?.finish_reason).toBe(whole.choices[0]?.finish_reason)
  expect(new Set(events.map(({ id }) => id)).size).toBe(1)
  expect(events[0]?.choices[0]?.delta.role).toBe('assistant')
  expect(events[0]?.system_fingerprint).toBe(whole.system_fingerprint)
})

test('every event but the last has a null usage for those who asked for it, and no such field for others', async () => {
  const asked = { max_tokens: 2, stream_options: { include_usage: true } }
  const chat = (await stream(asked)).events
  const prompt = { model: MODEL, prompt: 'The sun is', stream: true }
  const text = (await readEvents(await post(`${server.url}/v1/completions`, { ...prompt, ...asked }))).events
  for (const events of [chat, text as TextResponse[]]) {
    expect(events.length).toBeGreaterThan(3)
    for (const event of events.slice(0, -1)) expect(event.usage).toBe(null)
    expect(events.at(-1)?.usage).toMatchObject({ completion_tokens: 2 })
  }
  for (const event of (await stream({ max_tokens: 2 })).events) expect(event).not.toHaveProperty('usage')
})

test('usage counts exactly the tokens of the answer, and max_tokens bounds them', async () => {
  const { usage, choices, prompt_token_ids } = await ask({ max_tokens: 5 })
  expect(choices[0]?.token_ids?.length).toBe(5)
  expect(withoutCache(usage)).toEqual({
    prompt_tokens: prompt_token_ids?.length,
    completion_tokens: 5,
    total_tokens: (prompt_token_ids?.length ?? 0) + 5,
  })
  expect(choices[0]?.finish_reason).toBe('length')
})

test('of a prompt that was read before all but two tokens are cached, in usage and in the metrics', async () => {
  const body = { max_tokens: 2, messages: [{ role: 'user', content: 'Count the ferries of a winter morning.' }] }
  await ask(body)
  const counter = 'perigee_inference_tokens_total{kind="cached"}'
  const before = await metric(server.url, counter)
  const { usage } = await ask(body)
  const cached_tokens = (usage?.prompt_tokens ?? 0) - 2
  expect(usage?.prompt_tokens_details).toEqual({ cached_tokens })
  expect((await metric(server.url, counter)) - before).toBe(cached_tokens)
  expect(await metric(server.url, 'perigee_inference_prefix_cache_bytes')).toBeGreaterThan(0)
  const { events } = await stream({ ...body, stream_options: { include_usage: true } })
  expect(events.at(-1)?.usage?.prompt_tokens_details).toEqual({ cached_tokens })
})

test('a stream that is gathered says the same in fewer events, each id once, its first token alone', async () => {
  const seeded = { temperature: 0.8, seed: 5, max_tokens: 24, logprobs: true, stream_options: { include_usage: true } }
  const each = (await stream(seeded)).events
  const gathered = (await stream({ ...seeded, perigee: { gather_ms: 1_000 } })).events
  expect(textOf(gathered)).toBe(textOf(each))
  expect(idsOf(gathered)).toEqual(idsOf(each))
  const logged = (events: typeof each) =>
    events.flatMap(({ choices }) => (choices[0]?.logprobs as { content: unknown[] } | null)?.content ?? [])
  expect(logged(gathered)).toEqual(logged(each))
  expect(withoutCache(gathered.at(-1)?.usage)).toEqual(withoutCache(each.at(-1)?.usage))
  const withIds = gathered.filter(({ choices }) => (choices[0]?.token_ids ?? []).length > 0)
  expect(withIds[0]?.choices[0]?.token_ids).toHaveLength(1)
  expect(withIds.length).toBeLessThan(24)
})

test('ids and prompt ids come only to those who ask', async () => {
  const plain = await ask({ max_tokens: 2, return_token_ids: false })
  expect(JSON.stringify(plain)).not.toContain('token_ids')
  const { events } = await stream({ max_tokens: 2, return_token_ids: false })
  expect(JSON.stringify(events)).not.toContain('token_ids')
})

describe('stop strings', () => {
  test('end the answer before them, also across tokens, and what comes after is neither sent nor counted', async () => {
    const whole = await ask({})
    const text = whole.choices[0]?.message.content ?? ''
    // From the middle of one word into the next.
    const stop = text.slice(text.indexOf('simply') + 3, text.indexOf('simply') + 9)
    expect(stop).toContain(' ')
    const stopped = await ask({ stop: ['never said', stop] })
    expect(stopped.choices[0]?.message.content).toBe(text.slice(0, text.indexOf(stop)))
    expect(stopped.choices[0]?.finish_reason).toBe('stop')
    const ids = stopped.choices[0]?.token_ids ?? []
    expect(whole.choices[0]?.token_ids?.slice(0, ids.length)).toEqual(ids)
    expect(server.serving.tokenizer.decode(ids)).toContain(stop)
    expect(server.serving.tokenizer.decode(ids.slice(0, -1))).not.toContain(stop)
    expect(stopped.usage?.completion_tokens).toBe(ids.length)
    // The engine is told at once: it would go on to the model's own end.
    expect(await metric(server.url, 'perigee_inference_in_flight')).toBe(0)

    const { events } = await stream({ stop })
    expect(textOf(events)).toBe(stopped.choices[0]?.message.content)
    expect(idsOf(events)).toEqual(ids)
  })

  test('one that is begun and not completed is sent in the end', async () => {
    const whole = await ask({ max_tokens: 6 })
    const text = whole.choices[0]?.message.content ?? ''
    const { events } = await stream({ max_tokens: 6, stop: `${text.slice(-3)}never` })
    expect(textOf(events)).toBe(text)
    expect(idsOf(events)).toEqual(whole.choices[0]?.token_ids)
  })
})

describe('continuation', () => {
  const seeded = {
    temperature: 0.8,
    seed: 11,
    max_tokens: 24,
    messages: [{ role: 'user', content: 'Tell me about bread.' }],
  }

  test('from any token on gives the rest of the very same answer, and usage for all of it', async () => {
    const whole = await ask(seeded)
    const ids = whole.choices[0]?.token_ids ?? []
    const text = whole.choices[0]?.message.content ?? ''
    for (const cut of [1, 9, ids.length - 1]) {
      const output = ids.slice(0, cut)
      const sent = server.serving.tokenizer.decode(output)
      const perigee = {
        continue: { prompt_token_ids: whole.prompt_token_ids, output_token_ids: output, sent_chars: sent.length },
      }
      const { events, isDone } = await stream({ ...seeded, perigee, stream_options: { include_usage: true } })
      expect(isDone).toBe(true)
      expect(JSON.stringify(events)).not.toContain('timings')
      expect(sent + textOf(events)).toBe(text)
      expect(idsOf(events)).toEqual(ids.slice(cut))
      expect(withoutCache(events.at(-1)?.usage)).toEqual(withoutCache(whole.usage))
    }
  })

  test('computes the uncached part of its prompt and its replay, and tells whoever asks what its first token waited for', async () => {
    const whole = await ask(seeded)
    const output = whole.choices[0]?.token_ids?.slice(0, 9) ?? []
    const given = { prompt_token_ids: whole.prompt_token_ids, output_token_ids: output, sent_chars: 0 }
    const perigee = { continue: given, timings: true }
    const { events } = await stream({ ...seeded, perigee, stream_options: { include_usage: true } })
    const { prompt_tokens = 0, prompt_tokens_details } = events.at(-1)?.usage ?? {}
    const closing = events.find(({ choices }) => (choices[0]?.finish_reason ?? null) !== null)
    expect(closing).toMatchObject({
      perigee: {
        timings: {
          prompt_tokens: prompt_tokens - (prompt_tokens_details?.cached_tokens ?? 0),
          replayed_tokens: output.length,
        },
      },
    })
  })

  test('sends what the caller has not seen of the tokens given, and honours a stop string begun in them', async () => {
    const whole = await ask(seeded)
    const ids = whole.choices[0]?.token_ids ?? []
    const text = whole.choices[0]?.message.content ?? ''
    const output = ids.slice(0, 10)
    const cut = server.serving.tokenizer.decode(output).length
    const given = { prompt_token_ids: whole.prompt_token_ids, output_token_ids: output }
    const all = await ask({ ...seeded, perigee: { continue: { ...given, sent_chars: 0 } } })
    expect(all.choices[0]?.message.content).toBe(text)
    const stop = text.slice(cut - 2, cut + 2)
    const held = await ask({ ...seeded, stop, perigee: { continue: { ...given, sent_chars: cut - 2 } } })
    expect(text.slice(0, cut - 2) + held.choices[0]?.message.content).toBe(text.slice(0, text.indexOf(stop)))
    expect(held.choices[0]?.finish_reason).toBe('stop')
  })

  test('of an answer that is complete adds nothing to it', async () => {
    const whole = await ask({})
    const ids = whole.choices[0]?.token_ids ?? []
    const text = whole.choices[0]?.message.content ?? ''
    const perigee = {
      continue: { prompt_token_ids: whole.prompt_token_ids, output_token_ids: ids, sent_chars: text.length },
    }
    const again = await ask({ perigee })
    expect(again.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: '' }, token_ids: [] })
    expect(withoutCache(again.usage)).toEqual(withoutCache(whole.usage))
    const atLimit = await ask({
      max_tokens: 4,
      perigee: { continue: { ...perigee.continue, output_token_ids: ids.slice(0, 4), sent_chars: 0 } },
    })
    expect(atLimit.choices[0]).toMatchObject({ finish_reason: 'length', token_ids: [] })
    expect(atLimit.usage?.completion_tokens).toBe(4)
  })
})

test('no piece of a stream holds half a character', async () => {
  // Three tokens to an animal, and the model goes on with the like; the limit then cuts one in half.
  const prompt = '🐶🐱🐭🐹🐰🦊🐻🐼🐶🐱🐭🐹🐰🦊🐻🐼🐶🐱🐭🐹🐰🦊🐻🐼🐶🐱🐭🐹'
  const response = await post(`${server.url}/v1/completions`, {
    ...{ model: MODEL, prompt, temperature: 0, max_tokens: 32, stream: true, return_token_ids: true },
  })
  const events = (await readEvents(response)).events as TextResponse[]
  const ids = events.flatMap(({ choices }) => choices[0]?.token_ids ?? [])
  const pieces = events.map(({ choices }) => choices[0]?.text ?? '').filter((piece) => piece !== '')
  expect(ids.length).toBe(32)
  expect(pieces.length).toBeLessThan(ids.length / 2)
  // The last one's bytes are in the ids, and in no text.
  expect(server.serving.tokenizer.decode(ids)).toBe(`${pieces.join('')}\ufffd`)
  for (const piece of pieces) expect(piece).toMatch(/^\p{Emoji_Presentation}$/u)
})

test('text is completed as it stands, from words or from ids', async () => {
  const complete = async (prompt: unknown) =>
    (await (
      await post(`${server.url}/v1/completions`, { model: MODEL, prompt, temperature: 0, max_tokens: 8 })
    ).json()) as TextResponse
  const fromText = await complete('The sun is')
  const ids = server.serving.tokenizer.encode('The sun is', { specialTokens: true })
  expect((await complete(ids)).choices[0]?.text).toBe(fromText.choices[0]?.text)
  expect(fromText.object).toBe('text_completion')
  expect(fromText.usage?.prompt_tokens).toBe(ids.length)
})

test('/generate gives the likeliest continuation alone, as many tokens as asked for', async () => {
  const response = await post(`${server.url}/generate`, { text: 'The sun is', max_length: 12 })
  const { generated_text } = (await response.json()) as { generated_text: string }
  const completion = await post(`${server.url}/v1/completions`, {
    model: server.serving.modelName,
    temperature: 0,
    prompt: 'The sun is',
    max_tokens: 12,
  })
  expect(generated_text).toBe(((await completion.json()) as { choices: { text: string }[] }).choices[0]?.text)
  expect(server.serving.tokenizer.encode(generated_text, { specialTokens: true }).length).toBe(12)
})

test('/tokenize counts what a completion would read', async () => {
  const count = async (body: object) => (await (await post(`${server.url}/tokenize`, body)).json()) as object
  const { usage, prompt_token_ids } = await ask({ max_tokens: 1 })
  expect(await count({ messages: QUESTION.messages })).toEqual({
    count: usage?.prompt_tokens,
    max_model_len: 512,
    tokens: prompt_token_ids,
  })
  expect(await count({ prompt: 'The sun is', return_tokens: false })).toEqual({ count: 3, max_model_len: 512 })
})

test('/v1/models names the model and its context', async () => {
  const { data } = (await (await fetch(`${server.url}/v1/models`)).json()) as { data: object[] }
  expect(data).toMatchObject([{ id: MODEL, object: 'model', max_model_len: 512 }])
})
