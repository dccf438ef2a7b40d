import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadModel } from '../../../functions/inference/engine/load-model.ts'
import type { ChatChunk, ChatResponse, TextResponse } from '../../../src/contract/chat-completion.ts'
import { defaultModelFolder } from '../engine/default-model.ts'
import { MODEL, metric, post, type RealServer, readEvents, startRealServer } from './real-server.ts'

let server: RealServer
beforeAll(async () => {
  server = await startRealServer(['--chunk', '32', '--queue', '8'])
})
afterAll(() => server.stop(0))

const SEEDED = {
  ...{ model: MODEL, temperature: 0.9, seed: 5, max_tokens: 16, return_token_ids: true },
  messages: [{ role: 'user', content: 'Write a list of fruits, please: apple, apple, ' }],
}
type Entry = { token: string; logprob: number; bytes: number[]; top_logprobs: Entry[] }
type ChatLogprobs = { content: Entry[]; refusal: null }
/** Sound: the tests look into what the route must have sent, and fail where it is something else. */
const chatLogged = (choice: { logprobs?: unknown } | undefined) =>
  (choice?.logprobs as ChatLogprobs | null)?.content ?? []
const textLogged = (choice: { logprobs?: unknown } | undefined): TextLogprobs =>
  (choice?.logprobs as TextLogprobs | null) ?? { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] }
type TextLogprobs = {
  tokens: string[]
  token_logprobs: (number | null)[]
  top_logprobs: (Record<string, number> | null)[]
  text_offset: number[]
}

const chat = async (change: object) =>
  (await (await post(`${server.url}/v1/chat/completions`, { ...SEEDED, ...change })).json()) as ChatResponse
const complete = async (body: object) =>
  (await (
    await post(`${server.url}/v1/completions`, { model: MODEL, temperature: 0, return_token_ids: true, ...body })
  ).json()) as TextResponse
const streamOf = async <Chunk>(path: string, body: object) => {
  const read = await readEvents(await post(server.url + path, { model: MODEL, stream: true, ...body }))
  return { ...read, events: read.events as Chunk[] } // Sound: the routes send these chunks, which the tests look into.
}

describe('the fields that change what is drawn', () => {
  test('each of them does, and an answer with all of them goes on elsewhere as it would have', async () => {
    const plain = await chat({})
    const ids = plain.choices[0]?.token_ids ?? []
    const banned = await chat({ logit_bias: { [String(ids[0])]: -100 } })
    expect(banned.choices[0]?.token_ids).not.toContain(ids[0])
    const all = {
      ...{ presence_penalty: 0.6, frequency_penalty: 0.7, repetition_penalty: 1.2, min_p: 0.02 },
      ...{ logit_bias: { [String(ids[1])]: -3 }, min_tokens: 12 },
    }
    const whole = await chat(all)
    const wanted = whole.choices[0]?.token_ids ?? []
    expect(wanted).not.toEqual(ids)
    for (const cut of [1, 7, wanted.length - 1]) {
      const perigee = {
        continue: {
          ...{ prompt_token_ids: whole.prompt_token_ids, output_token_ids: wanted.slice(0, cut) },
          sent_chars: 0,
        },
      }
      const rest = (await chat({ ...all, perigee })).choices[0]
      expect(rest?.token_ids).toEqual(wanted.slice(cut))
      expect(rest?.message.content).toBe(whole.choices[0]?.message.content)
    }
  })
})

describe('the fields that say when it ends', () => {
  const question = { temperature: 0, max_tokens: 40, messages: [{ role: 'user', content: 'What is 7 + 5?' }] }

  test('min_tokens, ignore_eos and stop_token_ids are kept', async () => {
    const plain = await chat(question)
    const ids = plain.choices[0]?.token_ids ?? []
    expect(plain.choices[0]?.finish_reason).toBe('stop')
    expect(ids.length).toBeLessThan(40)
    const ignored = await chat({ ...question, ignore_eos: true })
    expect(ignored.choices[0]?.finish_reason).toBe('length')
    expect(ignored.choices[0]?.token_ids?.slice(0, ids.length)).toEqual(ids)
    const longer = await chat({ ...question, min_tokens: ids.length + 2 })
    expect(longer.choices[0]?.token_ids?.length).toBeGreaterThanOrEqual(ids.length + 2)
    const stopId = ids[4] ?? 0
    const stopped = (await chat({ ...question, stop_token_ids: [stopId] })).choices[0]
    const end = ids.indexOf(stopId)
    expect(stopped?.token_ids).toEqual(ids.slice(0, end + 1))
    expect(stopped?.finish_reason).toBe('stop')
    expect(stopped?.message.content).toBe(server.serving.tokenizer.decode(ids.slice(0, end)))
  })
})

describe('log-probabilities', () => {
  test('of a chat: one entry per token, streamed and whole, whatever text is held back', async () => {
    const messages = [{ role: 'user', content: 'Explain how bread is made.' }]
    const asked = { messages, max_tokens: 12, temperature: 0, logprobs: true, top_logprobs: 3 }
    const whole = await chat(asked)
    const content = chatLogged(whole.choices[0])
    const text = whole.choices[0]?.message.content ?? ''
    expect(content.length).toBe(12)
    expect(content.map(({ token }) => token).join('')).toBe(text)
    for (const { token, logprob, bytes, top_logprobs } of content) {
      expect(Buffer.from(bytes).toString()).toBe(token)
      expect(top_logprobs.length).toBe(3)
      // At temperature 0 the token is the likeliest.
      expect(top_logprobs[0]).toMatchObject({ token, logprob })
      expect(top_logprobs[0]?.logprob ?? 0).toBeGreaterThanOrEqual(top_logprobs[1]?.logprob ?? 0)
      expect(top_logprobs.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0)).toBeLessThanOrEqual(1 + 1e-9)
    }
    // What a stop string holds back, up to the end of the answer.
    const { events } = await streamOf<ChatChunk>('/v1/chat/completions', {
      ...SEEDED,
      ...asked,
      stop: `${text.slice(2)}never`,
    })
    const streamed = events.flatMap(({ choices }) => chatLogged(choices[0]))
    expect(streamed).toEqual(content)
    expect(events.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(text)
    for (const { choices } of events) {
      const logged = chatLogged(choices[0]).length
      expect(logged).toBe(choices[0]?.token_ids?.length ?? 0)
    }
  })

  test('do not depend on what is drawn from: bias, temperature and limits leave them as they are', async () => {
    const top = async (change: object) => {
      const { choices } = await chat({ max_tokens: 1, logprobs: true, top_logprobs: 5, ...change })
      return chatLogged(choices[0])[0]?.top_logprobs
    }
    const plain = await top({})
    expect(await top({ temperature: 0, top_p: 0.1, logit_bias: { 0: -100, 504: 20 }, repetition_penalty: 2 })).toEqual(
      plain,
    )
  })

  test('of halves of a character give its bytes, and its offset is where it begins', async () => {
    const { choices } = await complete({ prompt: '🐶🐱', echo: true, logprobs: 0, max_tokens: 0 })
    const { tokens, text_offset } = textLogged(choices[0])
    expect(choices[0]?.text).toBe('🐶🐱')
    expect(tokens.length).toBeGreaterThan(2)
    expect(tokens.some((token) => token.startsWith('bytes:\\xf0'))).toBe(true)
    expect(text_offset[0]).toBe(0)
    expect(text_offset.at(-1)).toBe(1)
  })
})

describe('echo', () => {
  const TEXT =
    'Bread is made from flour, water, salt and yeast. The dough is kneaded until it is smooth, and then it is left in a warm ' +
    'place to rise. After an hour or two it is shaped into a loaf, and baked in a hot oven until the crust is brown.'

  test('with logprobs tells how likely each token of the prompt was: the perplexity is the engine s own', async () => {
    const ids = server.serving.tokenizer.encode(TEXT, { specialTokens: false })
    const body = { prompt: TEXT, echo: true, logprobs: 2, max_tokens: 0 }
    const { choices, usage } = await complete(body)
    const { tokens, token_logprobs, top_logprobs, text_offset } = textLogged(choices[0])
    expect(choices[0]).toMatchObject({ text: TEXT, finish_reason: 'length', token_ids: [] })
    expect(usage).toMatchObject({ prompt_tokens: ids.length, completion_tokens: 0, total_tokens: ids.length })
    expect(tokens.join('')).toBe(TEXT)
    expect([token_logprobs[0], top_logprobs[0]]).toEqual([null, null])
    for (const [index, token] of tokens.entries()) {
      expect(TEXT.startsWith(token, text_offset[index])).toBe(true)
      if (index > 0) expect(top_logprobs[index]?.[token]).toBe(token_logprobs[index])
    }
    const model = loadModel(await defaultModelFolder(), { threads: 2, rows: 2, context: 256 })
    const { values, perplexity } = await model.logProbabilities(ids)
    model.close()
    const told = token_logprobs.slice(1).map(Number)
    expect(Math.max(...told.map((value, i) => Math.abs(value - (values[i] ?? 0))))).toBeLessThan(1e-4)
    const mean = told.reduce((sum, value) => sum + value, 0) / told.length
    expect(Math.abs(Math.exp(-mean) - perplexity)).toBeLessThan(1e-4)

    // The same a second time, when the prompt is known, and streamed, chunk by chunk.
    const { events } = await streamOf<TextResponse>('/v1/completions', body)
    const logged = events.flatMap((event) => textLogged(event.choices[0]).token_logprobs)
    expect(logged).toEqual(token_logprobs)
    expect(events.map((event) => event.choices[0]?.text).join('')).toBe(TEXT)
  })

  test('gives prompt and answer as one text, and the answer is the one without it', async () => {
    const plain = await complete({ prompt: 'The sun is', max_tokens: 6 })
    const echoed = await complete({ prompt: 'The sun is', max_tokens: 6, echo: true })
    expect(echoed.choices[0]?.text).toBe(`The sun is${plain.choices[0]?.text}`)
    expect(echoed.choices[0]?.token_ids).toEqual(plain.choices[0]?.token_ids)
    const logged = await complete({ prompt: 'The sun is', max_tokens: 6, echo: true, logprobs: 0 })
    expect(logged.choices[0]?.text).toBe(echoed.choices[0]?.text)
    const { tokens, text_offset } = textLogged(logged.choices[0])
    expect(tokens.join('')).toBe(echoed.choices[0]?.text)
    expect(text_offset.at(-1)).toBe((echoed.choices[0]?.text.length ?? 0) - (tokens.at(-1)?.length ?? 0))
    const one = await complete({ prompt: [504], max_tokens: 0, echo: true, logprobs: 1 })
    expect(textLogged(one.choices[0]).token_logprobs).toEqual([null])
  })
})

describe('several answers', () => {
  const asked = { ...SEEDED, max_tokens: 8 }
  const idsOf = ({ choices }: ChatResponse) => choices.map(({ token_ids }) => JSON.stringify(token_ids))

  test('choice i is the same whether two or four were asked for, and usage is their sum', async () => {
    const four = await chat({ ...asked, n: 4 })
    const two = await chat({ ...asked, n: 2 })
    expect(four.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3])
    expect(idsOf(two)).toEqual(idsOf(four).slice(0, 2))
    expect(idsOf(await chat(asked))).toEqual(idsOf(four).slice(0, 1))
    expect(new Set(idsOf(four)).size).toBe(4)
    const tokens = four.choices.reduce((sum, { token_ids }) => sum + (token_ids?.length ?? 0), 0)
    expect(four.usage).toMatchObject({
      prompt_tokens: four.prompt_token_ids?.length,
      completion_tokens: tokens,
    })
    const { events, isDone } = await streamOf<ChatChunk>('/v1/chat/completions', {
      ...{ ...asked, n: 4, stream_options: { include_usage: true } },
    })
    expect(isDone).toBe(true)
    expect(events.at(-1)?.usage).toEqual(four.usage)
    for (const { index, message, finish_reason } of four.choices) {
      const its = events.flatMap(({ choices }) => choices.filter((choice) => choice.index === index))
      expect(its.map(({ delta }) => delta.content ?? '').join('')).toBe(message.content)
      expect(its.at(-1)?.finish_reason).toBe(finish_reason)
      expect(its[0]?.delta.role).toBe('assistant')
    }
  })

  test('of several prompts are numbered prompt by prompt', async () => {
    const prompts = ['The sun is', 'Water is']
    const body = { temperature: 0.9, seed: 3, max_tokens: 4, n: 2, best_of: 2 }
    const both = await complete({ ...body, prompt: prompts })
    expect(both.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3])
    const [first, second] = await Promise.all(prompts.map((prompt) => complete({ ...body, prompt })))
    const texts = ({ choices }: TextResponse) => choices.map(({ text }) => text)
    expect(texts(both)).toEqual([...(first ? texts(first) : []), ...(second ? texts(second) : [])])
    expect(both.usage?.prompt_tokens).toBe((first?.usage?.prompt_tokens ?? 0) + (second?.usage?.prompt_tokens ?? 0))
  })

  test('are all stopped when their caller hangs up, and all fail when the engine does', async () => {
    const long = { ...SEEDED, max_tokens: 300, ignore_eos: true, n: 8, stream: true }
    const controller = new AbortController()
    const response = await fetch(`${server.url}/v1/chat/completions`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' }, signal: controller.signal },
      body: JSON.stringify(long),
    })
    await response.body?.getReader().read()
    expect(await metric(server.url, 'perigee_inference_in_flight')).toBe(8)
    const full = await post(`${server.url}/v1/chat/completions`, { ...long, n: 9 })
    expect(full.status).toBe(503)
    controller.abort()
    const isFree = async () => (await metric(server.url, 'perigee_inference_in_flight')) === 0
    await expect.poll(isFree, { timeout: 2_000, interval: 5 }).toBe(true)

    let isKilled = false
    const { events, isDone } = await readEvents(await post(`${server.url}/v1/chat/completions`, long), () => {
      if (isKilled) return
      isKilled = true
      process.kill(server.serving.engine.pid() ?? 0, 'SIGKILL')
    })
    expect(isDone).toBe(false)
    expect(events.filter((event) => Object.hasOwn(event as object, 'error')).length).toBe(1)
    expect(await metric(server.url, 'perigee_inference_in_flight')).toBe(0)
  })
})

test('an unfinished message of the assistant is continued, not answered', async () => {
  const messages = [
    { role: 'user', content: 'What is 7 + 5?' },
    { role: 'assistant', content: 'The sum of 7 and 5 is ' },
  ]
  const continued = await chat({ messages, temperature: 0, max_tokens: 4, continue_final_message: true })
  const prompt = server.serving.tokenizer.decode(continued.prompt_token_ids ?? [], { keepSpecialTokens: true })
  expect(prompt.endsWith('<|im_start|>assistant\nThe sum of 7 and 5 is ')).toBe(true)
  const bare = await chat({ messages, max_tokens: 1, add_generation_prompt: false })
  expect(server.serving.tokenizer.decode(bare.prompt_token_ids ?? [], { keepSpecialTokens: true }).trimEnd()).toMatch(
    /is <\|im_end\|>$/,
  )
})

describe('what cannot be honoured is refused by name', () => {
  const many = Object.fromEntries(Array.from({ length: 1_025 }, (_, id) => [id, 1]))
  const perigee = { continue: { prompt_token_ids: [1], output_token_ids: [], sent_chars: 0 } }
  test.each([
    ['chat', { logit_bias: { 99999: 1 } }, 'logit_bias.99999'],
    ['chat', { logit_bias: { 5: 101 } }, 'logit_bias.5'],
    ['chat', { logit_bias: { five: 1 } }, 'logit_bias'],
    ['chat', { logit_bias: many }, 'logit_bias'],
    ['chat', { logit_bias: [1] }, 'logit_bias'],
    ['chat', { min_p: 1.5 }, 'min_p'],
    ['chat', { presence_penalty: 3 }, 'presence_penalty'],
    ['chat', { repetition_penalty: 0 }, 'repetition_penalty'],
    ['chat', { min_tokens: 50 }, 'min_tokens'],
    ['chat', { stop_token_ids: [99_999] }, 'stop_token_ids[0]'],
    ['chat', { stop: new Array(10_000).fill('x') }, 'stop'],
    ['chat', { stop: 5 }, 'stop'],
    ['chat', { top_logprobs: 2 }, 'top_logprobs'],
    ['chat', { logprobs: true, top_logprobs: 21 }, 'top_logprobs'],
    ['chat', { n: 17 }, 'n'],
    ['chat', { n: 2, perigee }, 'n'],
    ['chat', { continue_final_message: true, add_generation_prompt: true }, 'continue_final_message'],
    ['chat', { continue_final_message: true }, 'continue_final_message'],
    ['chat', { echo: true }, 'echo'],
    ['text', { best_of: 2 }, 'best_of'],
    ['text', { logprobs: 21 }, 'logprobs'],
    ['text', { echo: true, perigee }, 'echo'],
    ['text', { prompt: ['a', 'b'], perigee }, 'prompt'],
    ['text', { prompt: [] }, 'prompt'],
    ['text', { prompt: [99_999] }, 'prompt[0]'],
    ['text', { prompt: new Array(100).fill('a') }, 'prompt'],
  ])('%s %#, by its field', async (kind, change, param) => {
    const path = kind === 'chat' ? '/v1/chat/completions' : '/v1/completions'
    const base = kind === 'chat' ? SEEDED : { model: MODEL, prompt: 'a', max_tokens: 4 }
    const response = await post(server.url + path, { ...base, ...change })
    const { error } = (await response.json()) as { error: { message: string; param: string } }
    expect(response.status, error.message).toBe(400)
    expect(error.param).toBe(param)
    expect(error.message.length).toBeGreaterThan(param.length + 10)
  })

  test('numbers that JSON does not have, and maps of 5 MB', async () => {
    const url = `${server.url}/v1/chat/completions`
    const body = JSON.stringify({ ...SEEDED, temperature: 'X' })
    expect((await post(url, body.replace('"X"', 'NaN'))).status).toBe(400)
    const infinite = await post(url, body.replace('"X"', '1e999'))
    expect([infinite.status, await infinite.json()]).toMatchObject([400, { error: { param: 'temperature' } }])
    const large = Object.fromEntries(Array.from({ length: 400_000 }, (_, id) => [`${id}`, -1.25]))
    expect((await post(url, { ...SEEDED, logit_bias: large })).status).toBe(413)
  })
})
