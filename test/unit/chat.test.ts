/** The steps of a completion, each alone: pure functions over events. */
import { describe, expect, test, vi } from 'vitest'
import { noBudgets } from '../../src/budgets/no-budgets.ts'
import { noCache } from '../../src/cache/no-cache.ts'
import { answerNote } from '../../src/chat/answer-note.ts'
import { assembleChat, assembleText } from '../../src/chat/assemble.ts'
import { type CallerView, callerView, visibleEvent } from '../../src/chat/caller-view.ts'
import { complete } from '../../src/chat/complete.ts'
import { mergeDelta } from '../../src/chat/merge-delta.ts'
import type {
  CompleteCall,
  CompletePorts,
  Covered,
  MeterSpan,
  ModelEvent,
  ModelEventStream,
  ModelRequest,
  Progress,
} from '../../src/chat/ports.ts'
import { prepareRequest } from '../../src/chat/prepare-request.ts'
import type { ChatChunk, ChatRequest, TextResponse } from '../../src/contract/chat-completion.ts'
import { AppError } from '../../src/errors.ts'
import { noFilters } from '../../src/filter/no-filters.ts'
import { noLimits } from '../../src/limits/no-limits.ts'
import { noPrompts } from '../../src/prompts/no-prompts.ts'
import { deploymentOf, modelsOf, routeOf } from '../support/routes.ts'

type ChunkChoice = ChatChunk['choices'][number]

function chunk(choices: Partial<ChunkChoice>[], more: Partial<ChatChunk> = {}): ChatChunk {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: choices.map((choice) => ({ index: 0, delta: {}, finish_reason: null, ...choice })),
    ...more,
  }
}

function piece(text: string, more: Partial<TextResponse['choices'][number]> = {}): TextResponse {
  const choice = { index: 0, text, finish_reason: null, logprobs: null, ...more }
  return { id: 'cmpl-1', object: 'text_completion', created: 1, model: 'm', choices: [choice] }
}

const STOP = chunk([{ finish_reason: 'stop' }])
const USAGE = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 }

async function* batches(...events: (ModelEvent | AppError)[]): ModelEventStream & AsyncGenerator<ModelEvent[]> {
  for (const event of events) {
    if (event instanceof AppError) throw event
    yield [event]
  }
}

const chat = (body: Partial<ChatRequest> = {}): ModelRequest => ({
  kind: 'chat',
  body: { model: 'm', messages: [{ role: 'user', content: 'Hi' }], ...body },
})

describe('assembling', () => {
  const assemble = (...events: ModelEvent[]) => assembleChat(batches(...events), { tokenIds: false })

  test('joins text, and takes the head from the first event', async () => {
    const answer = await assemble(
      chunk([{ delta: { role: 'assistant', content: '' } }], { system_fingerprint: 'fp' }),
      chunk([{ delta: { content: 'Hel' } }]),
      chunk([{ delta: { content: 'lo' } }]),
      STOP,
      chunk([], { usage: USAGE }),
    )
    expect(answer).toEqual({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      system_fingerprint: 'fp',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hello', refusal: null },
          finish_reason: 'stop',
          logprobs: null,
        },
      ],
      usage: USAGE,
    })
  })

  test('keeps choices apart, in the order of their index', async () => {
    const { choices } = await assemble(
      chunk([
        { index: 1, delta: { content: 'b' } },
        { index: 0, delta: { content: 'a' } },
      ]),
      chunk([{ index: 0, delta: { content: 'A' }, finish_reason: 'length' }]),
      chunk([{ index: 1, delta: { content: 'B' }, finish_reason: 'stop' }]),
    )
    expect(choices.map(({ index, message, finish_reason }) => [index, message.content, finish_reason])).toEqual([
      [0, 'aA', 'length'],
      [1, 'bB', 'stop'],
    ])
  })

  test('joins tool calls by their index, and drops the index', async () => {
    const call = (index: number, fields: object) => ({ delta: { tool_calls: [{ index, ...fields }] } })
    const { choices } = await assemble(
      chunk([call(0, { id: 'call_a', type: 'function', function: { name: 'add', arguments: '' } })]),
      chunk([call(0, { function: { arguments: '{"a":' } })]),
      chunk([call(1, { id: 'call_b', type: 'function', function: { name: 'sub', arguments: '{}' } })]),
      chunk([call(0, { function: { arguments: '7}' } })]),
      chunk([{ finish_reason: 'tool_calls' }]),
    )
    expect(choices[0]?.message).toEqual({
      role: 'assistant',
      content: null,
      refusal: null,
      tool_calls: [
        { id: 'call_a', type: 'function', function: { name: 'add', arguments: '{"a":7}' } },
        { id: 'call_b', type: 'function', function: { name: 'sub', arguments: '{}' } },
      ],
    })
  })

  test('joins log probabilities, reasoning text and fields that nobody here knows', async () => {
    const { choices } = await assemble(
      chunk([{ delta: { reasoning_content: 'so ' }, logprobs: { content: [{ token: 'a', logprob: -1 }] } }]),
      chunk([{ delta: { reasoning_content: 'it is' }, logprobs: { content: [{ token: 'b', logprob: -2 }] } }]),
      chunk([{ finish_reason: 'stop', ...{ stop_reason: 42 } }]),
    )
    expect(choices[0]).toEqual({
      index: 0,
      message: { role: 'assistant', content: null, refusal: null, reasoning_content: 'so it is' },
      finish_reason: 'stop',
      stop_reason: 42,
      logprobs: {
        content: [
          { token: 'a', logprob: -1 },
          { token: 'b', logprob: -2 },
        ],
      },
    })
  })

  test('gives token ids only to whom asked, each once', async () => {
    const events = () =>
      batches(
        chunk([{ token_ids: [7] }], { prompt_token_ids: [1, 2] }),
        chunk([{ token_ids: [] }]),
        chunk([{ token_ids: [8, 9], finish_reason: 'stop' }]),
      )
    const asked = await assembleChat(events(), { tokenIds: true })
    expect(asked).toMatchObject({ prompt_token_ids: [1, 2], choices: [{ token_ids: [7, 8, 9] }] })
    const notAsked = await assembleChat(events(), { tokenIds: false })
    expect(JSON.stringify(notAsked)).not.toContain('token_ids')
  })

  test('counts by token ids where the model gave no usage, and leaves usage out where it gave neither', async () => {
    const counted = await assemble(chunk([{ token_ids: [7, 8], finish_reason: 'stop' }], { prompt_token_ids: [1] }))
    expect(counted.usage).toEqual({ prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 })
    expect(await assemble(STOP)).not.toHaveProperty('usage')
  })

  test('joins a text completion', async () => {
    const answer = await assembleText(
      batches(
        piece(' four', { logprobs: { tokens: [' four'] } }),
        piece(',', { logprobs: { tokens: [','] }, finish_reason: 'length' }),
      ),
      { tokenIds: false },
    )
    expect(answer.choices).toEqual([
      { index: 0, text: ' four,', finish_reason: 'length', logprobs: { tokens: [' four', ','] } },
    ])
  })

  test('never presents a cut answer as one', async () => {
    const cut = new AppError('upstream_interrupted', 'cut')
    await expect(assembleChat(batches(chunk([{ delta: { content: 'Hel' } }]), cut), { tokenIds: false })).rejects.toBe(
      cut,
    )
    await expect(assemble(chunk([{ delta: { content: 'Hel' } }]))).rejects.toMatchObject({
      code: 'upstream_interrupted',
    })
    await expect(assemble()).rejects.toMatchObject({ code: 'upstream_interrupted' })
  })
})

describe('merging', () => {
  test('cannot be led to another prototype, nor to a list of millions', () => {
    const whole: Record<string, unknown> = {}
    mergeDelta(whole, JSON.parse('{"__proto__":{"polluted":true},"list":[{"index":4000000000,"a":1}]}'))
    expect(Object.getPrototypeOf(whole)).toBe(Object.prototype)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect(whole.list).toEqual([{ index: 4_000_000_000, a: 1 }])
  })

  test('does not change the pieces', () => {
    const pieces = [
      { tool_calls: [{ index: 0, function: { arguments: 'a' } }] },
      { tool_calls: [{ index: 0, function: { arguments: 'b' } }] },
    ]
    const before = structuredClone(pieces)
    const whole = {}
    for (const part of pieces) mergeDelta(whole, part)
    expect(pieces).toEqual(before)
  })

  test('keeps null where nothing else came', () => {
    const whole: Record<string, unknown> = {}
    mergeDelta(whole, { refusal: null, content: null })
    mergeDelta(whole, { content: 'a' })
    mergeDelta(whole, { content: null })
    expect(whole).toEqual({ refusal: null, content: 'a' })
  })
})

describe('the view of a caller', () => {
  const NOTHING: CallerView = { usage: false, tokenIds: false }
  const ALL: CallerView = { usage: true, tokenIds: true }

  test('is what the request asks for', () => {
    expect(callerView(chat())).toEqual(NOTHING)
    expect(callerView(chat({ stream_options: { include_usage: true }, return_token_ids: true }))).toEqual(ALL)
    expect(callerView(chat({ stream_options: null, return_token_ids: null }))).toEqual(NOTHING)
  })

  test('hides usage and token ids from those who did not ask', () => {
    const event = chunk([{ delta: { content: 'a' }, token_ids: [7] }], { usage: USAGE, prompt_token_ids: [1] })
    const before = structuredClone(event)
    expect(visibleEvent(event, NOTHING)).toEqual(chunk([{ delta: { content: 'a' } }]))
    expect(visibleEvent(event, ALL)).toBe(event)
    expect(event).toEqual(before)
  })

  test('has the null usage of all events but the last where usage was asked for, and nowhere else', () => {
    const event = chunk([{ delta: { content: 'a' } }], { usage: null })
    expect(visibleEvent(event, ALL)).toBe(event)
    expect(visibleEvent(event, NOTHING)).toEqual(chunk([{ delta: { content: 'a' } }]))
    // Some endpoints say things of their own in an event without choices.
    expect(visibleEvent(chunk([], { usage: null }), NOTHING)).toEqual(chunk([]))
  })

  test('leaves out events of which nothing remains', () => {
    expect(visibleEvent(chunk([], { usage: USAGE }), NOTHING)).toBeUndefined()
    expect(visibleEvent(chunk([{ delta: { content: '' }, token_ids: [7] }]), NOTHING)).toBeUndefined()
    expect(visibleEvent(piece('', { token_ids: [7] }), NOTHING)).toBeUndefined()
  })

  test('keeps those that say something without text', () => {
    const opening = chunk([{ delta: { role: 'assistant', content: '' }, token_ids: [] }])
    expect(visibleEvent(opening, NOTHING)).toEqual(chunk([{ delta: { role: 'assistant', content: '' } }]))
    expect(visibleEvent(chunk([{ finish_reason: 'stop', token_ids: [2] }]), NOTHING)).toEqual(STOP)
    expect(visibleEvent(chunk([], { usage: USAGE }), ALL)).toEqual(chunk([], { usage: USAGE }))
  })
})

describe('preparing', () => {
  test('draws a seed where there is none, and says so', () => {
    expect(prepareRequest(chat(), () => 42)).toMatchObject({ seed: 42, drawnSeed: true })
    expect(prepareRequest(chat({ seed: null }), () => 42)).toMatchObject({ seed: 42, drawnSeed: true })
    expect(prepareRequest(chat({ seed: 0 }), () => 42)).toMatchObject({ seed: 0, drawnSeed: false })
  })

  test('drops the reserved field, and no other', () => {
    const request = chat({ perigee: { continue: {} }, top_a: 1 })
    expect(prepareRequest(request, () => 1).request.body).toEqual({ ...chat().body, top_a: 1 })
  })
})

describe('a completion', () => {
  type End = Parameters<MeterSpan['end']>[0]

  function host(answer: () => Promise<ModelEventStream>) {
    const ends: End[] = []
    const firstToken = vi.fn()
    const waits = vi.fn()
    const begin = vi.fn(() => ({ waits, firstToken, end: (end: End) => ends.push(end) }))
    const deployment = deploymentOf({ upstream: { open: answer } })
    const ports: CompletePorts = {
      models: modelsOf(routeOf([deployment])),
      attempt: async (_, call) => ({
        deployment,
        events: await deployment.upstream.open(
          { ...call, model: 'm-1', timeouts: deployment.timeouts },
          new AbortController().signal,
        ),
      }),
      prompts: noPrompts,
      filters: noFilters,
      cache: noCache,
      admission: noLimits,
      budgets: noBudgets,
      meter: { begin },
      drawSeed: () => 1,
    }
    const hangUp = new AbortController()
    const call = (body: Partial<ChatRequest> = {}): CompleteCall => ({
      principal: { tenantId: 't', keyId: 'k', scopes: [] },
      request: chat(body),
      requestId: 'req_1',
      signal: hangUp.signal,
    })
    return { ports, call, ends, begin, waits, firstToken, hangUp }
  }

  async function read(events: ModelEventStream): Promise<ModelEvent[]> {
    const all: ModelEvent[] = []
    for await (const batch of events) all.push(...batch)
    return all
  }

  test('that is read to its end is metered as a success, with the usage that the model reported', async () => {
    const { ports, call, ends, firstToken } = host(async () => batches(STOP, chunk([], { usage: USAGE })))
    const { deployment, events } = await complete(ports, call())
    expect(deployment).toEqual({ id: 'd', model: 'm-1' })
    expect(firstToken).toHaveBeenCalledOnce()
    expect(ends).toEqual([])
    expect(await read(events)).toHaveLength(2)
    expect(ends).toEqual([{ status: 'success', usage: USAGE }])
  })

  test('of an unknown model is an error before any model is asked, and is metered', async () => {
    const answer = vi.fn()
    const { ports, call, ends } = host(answer)
    await expect(complete(ports, call({ model: 'other' }))).rejects.toMatchObject({
      code: 'model_not_found',
      param: 'model',
    })
    expect(answer).not.toHaveBeenCalled()
    expect(ends).toEqual([{ status: 'error', code: 'model_not_found' }])
  })

  test('that is remembered is metered at once, filtered, and takes nothing that a model would need', async () => {
    const { ports, call, ends, waits, firstToken } = host(vi.fn())
    const given = [chunk([{ delta: { content: 'a' } }]), STOP, chunk([], { usage: USAGE })]
    const masked = [chunk([{ delta: { content: '*' } }]), STOP]
    const refuse = () => {
      throw new Error('is not asked')
    }
    const remembering = (isBlocked: boolean): CompletePorts => ({
      ...ports,
      attempt: refuse,
      admission: { enter: refuse },
      budgets: { reserve: refuse },
      filters: {
        of: () => ({
          input: (request) => ({ request, flags: [] }),
          output: refuse,
          outputWhole: (events) => ({ events: events === given ? masked : [], isBlocked }),
        }),
      },
      cache: {
        look: () => ({
          kind: 'hit',
          ageSeconds: 7,
          answer: { deployment: { id: 'd', model: 'm-1' }, events: batches(), whole: given },
        }),
      },
    })
    const asked: CompleteCall = {
      ...call(),
      caching: { mode: 'default' },
      get signal(): AbortSignal {
        throw new Error('nobody can hang up on what is there')
      },
    }
    const hit = await complete(remembering(false), asked)
    expect(hit).toMatchObject({ deployment: { id: 'd', model: 'm-1' }, cache: { status: 'hit', ageSeconds: 7 } })
    expect(hit.whole).toBe(masked)
    expect(ends).toEqual([{ status: 'success', usage: USAGE }])
    expect(await read(hit.events)).toEqual(masked)
    await complete(remembering(true), asked)
    expect(ends.slice(1)).toEqual([{ status: 'error', code: 'content_blocked', usage: USAGE }])
    expect([firstToken.mock.calls.length, waits.mock.calls.length]).toEqual([2, 0])
  })

  test('that asks a model gives signs of life from then on', async () => {
    const { ports, call, waits } = host(async () => batches(STOP))
    await complete(ports, call())
    expect(waits).toHaveBeenCalledOnce()
  })

  test('is metered once its isolate knows which names are models, and once when nobody can tell', async () => {
    const { ports, call, begin, ends } = host(async () => batches(STOP))
    const { models } = ports
    const known = Promise.withResolvers<void>()
    const late = { ...models, routeOf: (alias: string) => known.promise.then(() => models.routeOf(alias, 't')) }
    const asked = complete({ ...ports, models: late }, call())
    expect(begin).not.toHaveBeenCalled()
    known.resolve()
    await read((await asked).events)
    expect([begin.mock.calls.length, ends]).toEqual([1, [{ status: 'success' }]])
    const down = { ...models, routeOf: () => Promise.reject(new AppError('store_unavailable', 'down')) }
    await expect(complete({ ...ports, models: down }, call())).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(ends.slice(1)).toEqual([{ status: 'error', code: 'store_unavailable' }])
  })

  test('that fails before its first event rejects, and is metered once', async () => {
    const { ports, call, ends } = host(async () => {
      throw new AppError('upstream_timeout', 'late')
    })
    await expect(complete(ports, call())).rejects.toMatchObject({ code: 'upstream_timeout' })
    expect(ends).toEqual([{ status: 'error', code: 'upstream_timeout' }])
  })

  test('that is cut is metered as an error, with what was generated', async () => {
    const cut = new AppError('upstream_interrupted', 'cut')
    const begun = chunk([{ token_ids: [7, 8] }], { prompt_token_ids: [1] })
    const { ports, call, ends } = host(async () => batches(begun, cut))
    await expect(read((await complete(ports, call())).events)).rejects.toBe(cut)
    const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 }
    expect(ends).toEqual([{ status: 'error', code: 'upstream_interrupted', usage }])
  })

  test('whose caller hangs up is metered once, also when nobody reads on', async () => {
    const { ports, call, ends, hangUp } = host(async () => batches(STOP, STOP))
    const { events } = await complete(ports, call())
    hangUp.abort()
    expect(ends).toEqual([{ status: 'error', code: 'caller_gone' }])
    await read(events)
    expect(ends).toHaveLength(1)
  })

  test('that is left early stops the model, and is metered', async () => {
    const stopped = vi.fn()
    const source: ModelEventStream = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false, value: [STOP] }),
        return: async () => {
          stopped()
          return { done: true, value: undefined }
        },
      }),
    }
    const { ports, call, ends } = host(async () => source)
    for await (const _ of (await complete(ports, call())).events) break
    expect(stopped).toHaveBeenCalledOnce()
    expect(ends).toEqual([{ status: 'error', code: 'caller_gone' }])
  })

  test('is what its tenant may have: a model that the key may not use is not told from none', async () => {
    const { ports, call } = host(async () => batches(STOP))
    const principal = { tenantId: 't', keyId: 'k', scopes: [], models: ['other'] }
    await expect(complete(ports, { ...call(), principal })).rejects.toMatchObject({ code: 'model_not_found' })
  })

  test('holds limits and budget until it ends, and gives both back when only one is granted', async () => {
    const leave = vi.fn()
    const settle = vi.fn()
    const { ports, call } = host(async () => batches(STOP, chunk([], { usage: USAGE })))
    const admission = { enter: () => ({ leave }) }
    const refused = new AppError('insufficient_quota', 'spent')
    const poor = { ...ports, admission, budgets: { reserve: () => Promise.reject(refused) } }
    await expect(complete(poor, call())).rejects.toBe(refused)
    expect(leave.mock.calls).toEqual([[undefined]])

    const rich = { ...ports, admission, budgets: { reserve: () => ({ cover: () => true as const, settle }) } }
    const { events } = await complete(rich, call())
    expect(settle).not.toHaveBeenCalled()
    await read(events)
    expect(settle.mock.calls).toEqual([[USAGE]])
    expect(leave.mock.calls).toEqual([[undefined], [USAGE]])
  })

  describe('whose budget refuses more', () => {
    const USED = { prompt_tokens: 2, completion_tokens: 2, total_tokens: 4 }
    const answer = async () =>
      batches(
        chunk([{ delta: { content: 'a' }, token_ids: [7] }], { prompt_token_ids: [1, 2] }),
        chunk([
          { index: 0, delta: { content: 'b' }, token_ids: [8], finish_reason: 'stop' },
          { index: 1, delta: { content: 'c' }, token_ids: [] },
        ]),
        chunk([{ index: 1, delta: { content: 'd' }, token_ids: [9] }]),
        chunk([{ index: 1, finish_reason: 'stop' }]),
        chunk([], { usage: USAGE }),
      )

    async function cutBy(covered: (progress: Progress) => true | Promise<Covered>) {
      const settle = vi.fn()
      const told: Progress[] = []
      const { ports, call, ends } = host(answer)
      const cover = (progress: Progress) => {
        told.push(progress)
        return covered(progress)
      }
      const events = await read(
        (await complete({ ...ports, budgets: { reserve: () => ({ cover, settle }) } }, call())).events,
      )
      const finishes = events.flatMap(({ choices }) =>
        choices.map(({ index, finish_reason }) => [index, finish_reason]),
      )
      return { events, settle, told, ends, finishes }
    }

    test('before it was sent, ends with the finish reason length, a code and its usage', async () => {
      const { events, settle, told, ends, finishes } = await cutBy(({ completionTokens }) =>
        completionTokens < 2 ? true : Promise.resolve('unpaid'),
      )
      expect(told).toEqual([
        { promptTokens: 2, completionTokens: 1 },
        { promptTokens: 2, completionTokens: 2 },
      ])
      expect(finishes).toEqual([
        [0, null],
        [0, 'length'],
        [1, 'length'],
      ])
      expect(events[1]?.choices[0]).toMatchObject({ stop_reason: 'insufficient_quota' })
      expect(events.at(-1)?.usage).toEqual(USED)
      expect(settle.mock.calls).toEqual([[USED]])
      expect(ends).toEqual([{ status: 'error', code: 'insufficient_quota', usage: USED }])
    })

    test('after what is paid for, sends that first, and finishes only what is not finished', async () => {
      const { finishes, settle } = await cutBy(({ completionTokens }) =>
        completionTokens < 2 ? true : Promise.resolve('last'),
      )
      expect(finishes).toEqual([
        [0, null],
        [0, 'stop'],
        [1, null],
        [1, 'length'],
      ])
      expect(settle.mock.calls).toEqual([[USED]])
    })

    test('when it is complete already, is a success', async () => {
      const { events, ends } = await cutBy(() => Promise.resolve('paid'))
      const { events: refused, ends: refusedEnds } = await cutBy(({ completionTokens, promptTokens }) =>
        promptTokens === USAGE.prompt_tokens
          ? Promise.resolve('unpaid')
          : completionTokens < 4
            ? true
            : Promise.resolve('last'),
      )
      expect(refused).toEqual(events)
      expect(refusedEnds).toEqual(ends)
    })

    test('is an error when nobody can say whether it is paid for', async () => {
      const settle = vi.fn()
      const { ports, call, ends } = host(answer)
      const down = new AppError('store_unavailable', 'down')
      const budgets = { reserve: () => ({ cover: () => Promise.reject(down), settle }) }
      await expect(read((await complete({ ...ports, budgets }, call())).events)).rejects.toBe(down)
      expect(settle).toHaveBeenCalledOnce()
      expect(ends).toMatchObject([{ status: 'error', code: 'store_unavailable' }])
    })
  })

  test('of a model that tells neither ids nor usage is paid by its text when its caller hangs up, and shown to nobody', async () => {
    const settle = vi.fn()
    const { ports, call, ends, hangUp } = host(async () =>
      batches(
        chunk([{ delta: { role: 'assistant', content: '' } }]),
        chunk([{ delta: { content: 'abcdefghi' } }]),
        STOP,
      ),
    )
    const budgets = { reserve: () => ({ cover: () => true as const, settle }) }
    const reader = (await complete({ ...ports, budgets }, call())).events[Symbol.asyncIterator]()
    await reader.next()
    await reader.next()
    hangUp.abort()
    expect(settle.mock.calls).toEqual([[{ prompt_tokens: 0, completion_tokens: 3, total_tokens: 3 }]])
    expect(ends).toEqual([{ status: 'error', code: 'caller_gone' }])
  })
})

test('an answer without choices says what rules found and that its budget ended it, and passes on no other stop reason', () => {
  const flags = [{ rule: 'swear', action: 'mask', on: 'output', count: 1 }] as const
  const note = (fields: object) => answerNote({ finish_reason: 'length', ...fields })
  expect(note({ perigee: { flags }, stop_reason: 'insufficient_quota' })).toEqual({
    flags,
    stop_reason: 'insufficient_quota',
  })
  expect([note({}), note({ stop_reason: 42 }), answerNote(undefined)]).toEqual([{}, {}, {}])
})
