/** The cache's rules, with a model and a clock of the test's own. What the platform does to several requests is in test/e2e/cache-joining.test.ts. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { answerCache } from '../../../src/cache/answer-cache.ts'
import { type AnswerStore, forgivingStore } from '../../../src/cache/answer-store.ts'
import { joinPieces } from '../../../src/cache/join-pieces.ts'
import type { CachePolicy } from '../../../src/cache/may-share.ts'
import { memoryCache } from '../../../src/cache/memory-cache.ts'
import { ANSWER_CHARS_MAX, fromText, toStored, toText } from '../../../src/cache/stored-answer.ts'
import { assembleChat } from '../../../src/chat/assemble.ts'
import type {
  CacheDirective,
  CacheQuestion,
  ModelEvent,
  ModelEventStream,
  OpenAnswer,
  SharedAnswer,
} from '../../../src/chat/ports.ts'
import type { ChatChunk } from '../../../src/contract/chat-completion.ts'
import { AppError } from '../../../src/errors.ts'
import { deploymentOf, routeOf } from '../../support/routes.ts'

const DEPLOYMENT = deploymentOf()
const ROUTE = routeOf([DEPLOYMENT])

function say(content: string, id: number): ChatChunk {
  return piece({ delta: { content }, token_ids: [id] })
}
function piece(choice: Partial<ChatChunk['choices'][number]>, more: Partial<ChatChunk> = {}): ChatChunk {
  const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm' } as const
  return { ...head, choices: [{ index: 0, delta: {}, finish_reason: null, ...choice }], ...more }
}
const ROLE = piece({ delta: { role: 'assistant', content: '' } }, { prompt_token_ids: [1, 2, 3] })
const STOP = piece({ finish_reason: 'stop', token_ids: [] })
const ANSWER = [ROLE, say('one', 11), say(' two', 12), say(' three', 13), STOP]

const asked = (body: object = {}, directive: Partial<CacheDirective> = {}): CacheQuestion => ({
  principal: { tenantId: 'tnt_a', keyId: 'k', scopes: [] },
  alias: 'm',
  request: { kind: 'chat', body: { model: 'm', messages: [{ role: 'user', content: 'Hi' }], temperature: 0, ...body } },
  route: ROUTE,
  directive: { mode: 'default', ...directive },
})

/** A model that says one event for each `more`, and counts. */
function model(events: readonly (ModelEvent | AppError)[] = ANSWER, deployment = { id: 'd', model: 'm-1' }) {
  const signals: AbortSignal[] = []
  let said = 0
  let wake = () => {}
  const open: OpenAnswer = async (signal) => {
    signals.push(signal)
    async function* stream(): AsyncGenerator<ModelEvent[]> {
      for (const [index, event] of events.entries()) {
        while (index >= said) {
          await new Promise<void>((go) => {
            wake = go
            signal.addEventListener('abort', () => go(), { once: true })
          })
          if (signal.aborted) throw new AppError('caller_gone', 'gone')
        }
        if (event instanceof AppError) throw event
        yield [event]
      }
    }
    return { deployment, events: stream() }
  }
  return {
    open,
    signals,
    more(count = events.length) {
      said += count
      wake()
    },
  }
}

function cache(
  options: { stores?: AnswerStore[]; policy?: CachePolicy; entriesMax?: number; ttlSeconds?: number } = {},
) {
  const ttlSeconds = options.ttlSeconds ?? 3_600
  const now = () => Date.now()
  const work: Promise<unknown>[] = []
  const memory = memoryCache({
    entriesMax: options.entriesMax ?? 100,
    bytesMax: 1_000_000,
    ttlMs: ttlSeconds * 1_000,
    now,
  })
  const cached = answerCache({
    memory,
    stores: options.stores ?? [],
    ttlSeconds,
    policyOf: () => options.policy ?? 'default',
    waitUntil: (promise) => void work.push(promise),
    now,
  })
  const share = async (question: CacheQuestion, open: OpenAnswer, signal = new AbortController().signal) => {
    const look = await cached.look(question)
    if (look?.kind !== 'miss') throw new Error(`expected a miss, got ${look?.kind}`)
    return look.share(open, signal)
  }
  return {
    memory,
    share,
    look: (question: CacheQuestion) => cached.look(question),
    kind: async (question: CacheQuestion) => (await cached.look(question))?.kind,
    /** Asks, reads it all, and waits until it is stored. */
    async fill(question: CacheQuestion, m = model()) {
      m.more()
      const text = await textOf((await share(question, m.open)).answer.events)
      await Promise.all(work.splice(0))
      return text
    },
  }
}

async function textOf(events: ModelEventStream): Promise<string | null> {
  return (await assembleChat(events, { tokenIds: false })).choices[0]?.message.content ?? null
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('is remembered', () => {
  test('what a model said whole, for an hour, and no longer', async () => {
    const { fill, look, kind } = cache()
    await fill(asked())
    vi.advanceTimersByTime(3_599_000)
    const hit = await look(asked())
    if (hit?.kind !== 'hit') throw new Error('no hit')
    expect([hit.ageSeconds, await textOf(hit.answer.events)]).toEqual([3_599, 'one two three'])
    vi.advanceTimersByTime(1_000)
    expect(await kind(asked())).toBe('miss')
  })

  test.each<[string, object, Partial<CacheDirective>, CachePolicy, 'miss' | undefined]>([
    ['temperature 0', {}, {}, 'default', 'miss'],
    ['a seed', { temperature: 1, seed: 0 }, {}, 'default', 'miss'],
    ['sampling', { temperature: 1 }, {}, 'default', undefined],
    ['no temperature', { temperature: null, seed: null }, {}, 'default', undefined],
    ['sampling, when asked to', { temperature: 1 }, { mode: 'on' }, 'default', 'miss'],
    ['sampling, by the installation', { temperature: 1 }, {}, 'on', 'miss'],
    ['nothing, when asked not to', {}, { mode: 'off' }, 'on', undefined],
    ['nothing, by the installation', {}, { mode: 'on' }, 'off', undefined],
    ['several answers', { n: 2 }, { mode: 'on' }, 'on', undefined],
    ['tools', { tools: [{ type: 'function' }] }, { mode: 'on' }, 'on', undefined],
    ['no tools', { tools: [] }, {}, 'default', 'miss'],
    ['neither to be read nor stored', {}, { noCache: true, noStore: true }, 'default', undefined],
  ])('or not: %s', async (_, body, directive, policy, expected) => {
    expect(await cache({ policy }).kind(asked(body, directive))).toBe(expected)
  })

  test('by what a request says of caching: no-cache, max-age, no-store', async () => {
    const { fill, kind } = cache()
    await fill(asked({ seed: 1 }, { noStore: true }))
    expect(await kind(asked({ seed: 1 }))).toBe('miss')
    await fill(asked())
    vi.advanceTimersByTime(10_000)
    expect(await kind(asked({}, { noCache: true }))).toBe('miss')
    expect(await kind(asked({}, { maxAgeSeconds: 9 }))).toBe('miss')
    expect(await kind(asked({}, { maxAgeSeconds: 10 }))).toBe('hit')
    expect(await kind(asked({}, { noStore: true }))).toBe('hit')
  })

  test.each<[string, readonly (ModelEvent | AppError)[], { id: string; model: string }]>([
    ['an answer that broke off', [...ANSWER.slice(0, 3), new AppError('upstream_interrupted', 'cut')], DEPLOYMENT],
    ['an answer without its end', ANSWER.slice(0, 4), DEPLOYMENT],
    [
      'an answer that the server filtered',
      [...ANSWER.slice(0, 4), piece({ finish_reason: 'content_filter' })],
      DEPLOYMENT,
    ],
    ['an answer that is too long', [ROLE, say('x'.repeat(ANSWER_CHARS_MAX), 1), STOP], DEPLOYMENT],
    ['what another model said in its place', ANSWER, { id: 'e', model: 'fallback' }],
  ])('never %s', async (_, events, deployment) => {
    const { fill, kind } = cache()
    await fill(asked(), model(events, deployment)).catch(() => undefined)
    expect(await kind(asked())).toBe('miss')
  })

  test('never an answer that its reader left, as one whose budget or filter ends it does', async () => {
    const { share, kind } = cache()
    const m = model()
    m.more(2)
    const { answer } = await share(asked(), m.open)
    const events = answer.events[Symbol.asyncIterator]()
    await events.next()
    await events.return?.()
    m.more()
    await vi.advanceTimersByTimeAsync(1)
    expect([m.signals[0]?.aborted, await kind(asked())]).toEqual([true, 'miss'])
  })

  test('so many answers, and the one used least recently goes first', async () => {
    const { fill, kind } = cache({ entriesMax: 2 })
    await fill(asked({ seed: 1 }))
    await fill(asked({ seed: 2 }))
    expect(await kind(asked({ seed: 1 }))).toBe('hit')
    await fill(asked({ seed: 3 }))
    expect(await Promise.all([1, 2, 3].map((seed) => kind(asked({ seed }))))).toEqual(['hit', 'miss', 'hit'])
  })

  test('and so much memory', () => {
    const memory = memoryCache({ entriesMax: 1_000, bytesMax: 5_000, ttlMs: 1_000, now: () => 0 })
    for (let n = 0; n < 50; n++) {
      const stored = toStored({ storedAt: 0, deployment: DEPLOYMENT, events: ANSWER })
      if (stored) memory.set(`key ${n}`, stored)
      expect(memory.size().bytes).toBeLessThanOrEqual(5_000)
    }
    expect(memory.size().entries).toBeGreaterThan(0)
    expect(memory.get('key 49')).toBeDefined()
  })
})

describe('joined pieces', () => {
  test('say the same as those that came, in fewer events', async () => {
    const events = [ROLE, ...Array.from({ length: 300 }, (_, id) => say(` w${id}`, id)), STOP]
    const whole = async (all: readonly ModelEvent[]) =>
      assembleChat(
        (async function* () {
          yield all
        })(),
        { tokenIds: true },
      )
    const before = structuredClone(events)
    const joined = joinPieces(events)
    expect(joined.length).toBeLessThan(10)
    expect(await whole(joined)).toEqual(await whole(events))
    expect(events).toEqual(before)
  })

  test('leave alone what says more than text', () => {
    const events = [
      piece({ delta: { content: 'a' }, logprobs: { content: [] } }),
      piece({ delta: { content: 'b', reasoning_content: 'c' } }),
      piece({ index: 1, delta: { content: 'd' } }),
      piece({ delta: { content: 'e' } }),
      piece({ delta: { content: 'f' }, token_ids: [1] }),
      piece({ delta: { content: 'g' }, finish_reason: 'stop' }),
    ]
    expect(joinPieces(events)).toEqual(events)
  })
})

describe('stores behind the memory', () => {
  function store(more: Partial<AnswerStore> = {}) {
    const texts = new Map<string, string>()
    const gets = vi.fn(async (key: string) => texts.get(key))
    return {
      name: 's',
      texts,
      gets,
      get: gets,
      put: async (key: string, text: string) => void texts.set(key, text),
      ...more,
    }
  }

  test('have the answer when the isolate is another one, with its age', async () => {
    const shared = store()
    await cache({ stores: [shared] }).fill(asked())
    vi.advanceTimersByTime(60_000)
    const other = cache({ stores: [shared] })
    const hit = await other.look(asked())
    if (hit?.kind !== 'hit') throw new Error('no hit')
    expect([hit.ageSeconds, await textOf(hit.answer.events)]).toEqual([60, 'one two three'])
    expect(await other.kind(asked())).toBe('hit')
    expect(shared.gets).toHaveBeenCalledTimes(2)
  })

  test('are asked once for many who ask the same', async () => {
    const shared = store()
    const { kind } = cache({ stores: [shared] })
    expect(new Set(await Promise.all(Array.from({ length: 100 }, () => kind(asked()))))).toEqual(new Set(['miss']))
    expect(shared.gets).toHaveBeenCalledTimes(1)
  })

  test('are read as strangers: what is not an answer is none', () => {
    const stored = toStored({ storedAt: 1, deployment: { id: 'd', model: 'm' }, events: ANSWER })
    if (!stored) throw new Error('too long')
    const text = toText(stored)
    expect(fromText(text)?.events).toEqual(ANSWER)
    const spoilt = [
      text.slice(0, -1),
      'null',
      '{}',
      text.replace('"storedAt":1', '"storedAt":"1"'),
      text.replace('"deployment":{', '"deployment":{"id":1,"x":{'),
      text.replaceAll('"finish_reason":"stop"', '"finish_reason":null'),
      text.replace('"choices":[', '"choices":[null,'),
      `${text}${' '.repeat(ANSWER_CHARS_MAX + 10_000)}`,
    ]
    expect(spoilt.map(fromText)).toEqual(spoilt.map(() => undefined))
  })

  test('may fail: the model answers, nobody waits long, and a failing store rests', async () => {
    const report = vi.fn()
    let calls = 0
    const hanging = store({
      get: () => {
        calls += 1
        return new Promise(() => {})
      },
    })
    const forgiving = forgivingStore(hanging, { now: Date.now, report })
    const { kind } = cache({ stores: [forgiving] })
    const looked = kind(asked())
    await vi.advanceTimersByTimeAsync(250)
    expect(await looked).toBe('miss')
    expect(await kind(asked())).toBe('miss')
    expect([calls, report.mock.calls.length]).toEqual([1, 1])
    vi.advanceTimersByTime(10_000)
    const again = kind(asked())
    await vi.advanceTimersByTimeAsync(250)
    await again
    expect(calls).toBe(2)
  })
})

describe('an answer that is shared', () => {
  const reader = ({ answer }: SharedAnswer) => answer.events[Symbol.asyncIterator]()

  test('is paid for by who asked the model, and from where that one left by the next', async () => {
    const { share } = cache()
    const m = model()
    const hangUp = new AbortController()
    m.more(2)
    const first = await share(asked(), m.open, hangUp.signal)
    const others = [await share(asked(), m.open), await share(asked(), m.open)]
    expect([first, ...others].map((shared) => shared.paidByOthers())).toEqual([
      { promptTokens: 0, completionTokens: 0 },
      'all',
      'all',
    ])
    const events = reader(first)
    await events.next()
    await events.next()
    hangUp.abort()
    expect([first, ...others].map((shared) => shared.paidByOthers())).toEqual([
      { promptTokens: 0, completionTokens: 0 },
      { promptTokens: 3, completionTokens: 1 },
      'all',
    ])
    m.more()
    const texts = await Promise.all(others.map(({ answer }) => textOf(answer.events)))
    expect(texts).toEqual(['one two three', 'one two three'])
    expect(m.signals).toHaveLength(1)
  })

  test('is asked for by one of the others when what failed was only the first one', async () => {
    const { share } = cache()
    const broken: OpenAnswer = async () => {
      await Promise.resolve()
      throw new TypeError('a mistake of ours')
    }
    const m = model()
    m.more()
    const asking = [broken, m.open, m.open, m.open].map((open) => share(asked(), open))
    const outcomes = await Promise.allSettled(asking)
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'fulfilled'])
    expect(m.signals).toHaveLength(1)
  })

  test.each([
    ['when its request is silent', 20_000, false],
    ['before the platform ends the request of a caller who left', 30_000, true],
  ])('goes on at another request %s, with the very same words', async (_, ms, leaves) => {
    const { share, kind } = cache()
    const lost = model()
    const hangUp = new AbortController()
    lost.more(2)
    const first = await share(asked(), lost.open, hangUp.signal)
    const events = reader(first)
    await events.next()
    const next = model()
    next.more()
    const joined = await share(asked(), next.open)
    const text = textOf(joined.answer.events)
    if (leaves) hangUp.abort()
    else vi.spyOn(globalThis, 'clearInterval')
    // A request that the platform ended has no timers any more.
    if (!leaves) vi.setSystemTime(Date.now() + ms)
    await vi.advanceTimersByTimeAsync(ms)
    expect(await text).toBe('one two three')
    expect([lost.signals.length, next.signals.length, await kind(asked())]).toEqual([1, 1, 'hit'])
  })

  test('goes on, too, for a caller whose own request was only taken for lost', async () => {
    const { share } = cache()
    const slow = model()
    slow.more(2)
    const first = await share(asked(), slow.open)
    const next = model()
    next.more()
    const joined = await share(asked(), next.open)
    const text = textOf(first.answer.events)
    await vi.advanceTimersByTimeAsync(1)
    vi.setSystemTime(Date.now() + 20_000)
    expect(await textOf(joined.answer.events)).toBe('one two three')
    await vi.advanceTimersByTimeAsync(20_000)
    expect(await text).toBe('one two three')
    expect(next.signals).toHaveLength(1)
  })

  test('ends with an error rather than with other words, when it cannot go on', async () => {
    for (const [body, again] of [
      [{ temperature: 1 }, ANSWER],
      [{}, [ROLE, say('uno', 21), STOP]],
    ] as const) {
      const { share } = cache({ policy: 'on' })
      const lost = model()
      const hangUp = new AbortController()
      lost.more(2)
      const first = reader(await share(asked(body), lost.open, hangUp.signal))
      await first.next()
      await first.next()
      const next = model(again)
      next.more()
      const joined = await share(asked(body), next.open)
      const failure = textOf(joined.answer.events).catch((thrown) => thrown.code)
      hangUp.abort()
      await vi.advanceTimersByTimeAsync(30_000)
      expect(await failure).toBe('upstream_interrupted')
    }
  })
})
