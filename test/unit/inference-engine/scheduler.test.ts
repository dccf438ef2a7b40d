import { describe, expect, test } from 'vitest'
import { CHUNK_TOKENS_MIN } from '../../../functions/inference/engine/chunk-length.ts'
import { END_TOKEN, FAKE_VOCABULARY } from './fake-decoder.ts'
import { expected, type FakeEngineOptions, fakeEngine, numbers, promptOf } from './fake-engine.ts'

describe.each([
  { name: 'without a prefix cache', blocks: 0 },
  { name: 'with a prefix cache', blocks: 64 },
])('$name', ({ blocks }) => {
  const engine = (options: FakeEngineOptions = {}) => fakeEngine({ blocks, ...options })

  describe('answers', () => {
    test('whoever comes, goes or hangs up meanwhile, every answer is its own', async () => {
      for (let seed = 1; seed <= 8; seed++) {
        const next = numbers(seed)
        const slots = 1 + next(6)
        const it = engine({ slots, chunkTokens: CHUNK_TOKENS_MIN + next(20), context: 128 })
        const cancelled = new Set<number>()
        const requests = Array.from({ length: 60 }, (_, id) => {
          const prompt = promptOf(next, 1 + next(60))
          const maxTokens = 1 + next(40)
          const whole = expected(prompt, maxTokens)
          // Some bring the beginning of their answer along.
          const known = next(3) === 0 ? whole.slice(0, next(whole.length)).filter((token) => token !== END_TOKEN) : []
          return { id, prompt, maxTokens, answer: known, whole }
        })
        const waiting = [...requests]
        const done = new Map<number, Promise<unknown>>()
        const submitSome = () => {
          for (let count = next(3); count > 0; count--) {
            const request = waiting.shift()
            if (request === undefined) return
            const { whole, ...rest } = request
            done.set(rest.id, it.ask(rest))
            if (next(5) === 0) {
              cancelled.add(rest.id)
              it.onRun(() => {
                if (next(4) === 0) for (const id of cancelled) it.cancel(id)
                submitSome()
              })
            }
          }
        }
        it.onRun(submitSome)
        while (waiting.length > 0) {
          submitSome()
          await new Promise((resolve) => setImmediate(resolve))
        }
        it.onRun(() => {})
        for (const id of cancelled) it.cancel(id)
        await Promise.race([
          Promise.all([...done].map(([id, answer]) => (cancelled.has(id) ? undefined : answer))),
          it.failed.then((cause) => {
            throw cause
          }),
        ])
        for (const { id, whole, answer } of requests) {
          const got = it.answers.get(id)?.tokens ?? []
          const rest = whole.slice(answer.length)
          expect(got, `seed ${seed}, request ${id}`).toEqual(cancelled.has(id) ? rest.slice(0, got.length) : rest)
        }
      }
    })

    test('an end token ends with stop, the limit with length', async () => {
      const it = engine()
      const prompt = [FAKE_VOCABULARY - 1]
      expect(await it.ask({ id: 1, prompt })).toEqual([END_TOKEN])
      expect(it.answers.get(1)?.reason).toBe('stop')
      expect(await it.ask({ id: 2, prompt: [5, 6, 7], maxTokens: 3 })).toEqual(expected([5, 6, 7], 3))
      expect(it.answers.get(2)?.reason).toBe('length')
    })

    test('an answer may fill the context to its last token', async () => {
      const it = engine({ context: 16 })
      expect(await it.ask({ id: 1, prompt: [1, 2, 3, 4], maxTokens: 12 })).toEqual(expected([1, 2, 3, 4], 12))
    })
  })

  describe('the three rules of sameness', () => {
    test('a lone stream that asks for sameness decodes in two rows, and only then', async () => {
      for (const [batchInvariant, sameness, rows] of [
        ['seeded', true, 2],
        ['seeded', false, 1],
        ['always', false, 2],
        ['never', true, 1],
      ] as const) {
        const it = engine({ batchInvariant })
        await it.ask({ id: 1, prompt: [1, 2, 3], sameness })
        const decodes = it.runs.filter((run) => run.kind === 'decode')
        expect(decodes.length).toBeGreaterThan(0)
        expect(new Set(decodes.map(({ count }) => count))).toEqual(new Set([rows]))
      }
    })

    test('of 129 streams that ask for sameness none decodes alone in the last tile of 128 rows', async () => {
      const it = engine({ slots: 129 })
      // Long enough that the first still decodes when the last begins.
      const endless = { maxTokens: 140, endings: { ignoreEos: true, stopTokenIds: [], minTokens: 0 } }
      await Promise.all(
        Array.from({ length: 129 }, (_, id) => it.ask({ id, prompt: [1 + (id % 5), 2, 3], ...endless })),
      )
      const counts = it.runs.flatMap(({ kind, count }) => (kind === 'decode' ? [count] : []))
      expect(Math.max(...counts)).toBe(130)
      expect(counts.filter((count) => count % 128 === 1)).toEqual([])
    })

    test('no chunk of a prompt has one token, whatever its length', async () => {
      for (let left = 1; left <= 70; left++) {
        for (const chunkTokens of [CHUNK_TOKENS_MIN, 8]) {
          const it = engine({ chunkTokens })
          await it.ask({ id: 1, prompt: promptOf(numbers(left), left), maxTokens: 1 })
          for (const run of it.runs) expect(run.count).toBeGreaterThanOrEqual(2)
        }
      }
    })

    test('what another replica generated is replayed step by step, never prefilled', async () => {
      const it = engine({ chunkTokens: 8 })
      const prompt = promptOf(numbers(1), 20)
      const whole = expected(prompt, 10)
      expect(await it.ask({ id: 1, prompt, answer: whole.slice(0, 6), maxTokens: 10 })).toEqual(whole.slice(6))
      const prefilled = it.steps.reduce((sum, step) => sum + (step.kind === 'prefill' ? step.amount : 0), 0)
      expect(prefilled).toBe(prompt.length)
      // The tenth token is drawn from the ninth run: each of the others is fed once.
      expect(it.runs.filter(({ kind }) => kind === 'decode').length).toBe(9)
    })

    test('an answer that goes on tells what its first token waited for: its prompt, its replay, and what ran for others', async () => {
      const it = engine({ chunkTokens: 8, chunkMs: 1_000 })
      const prompt = promptOf(numbers(1), 20)
      const whole = expected(prompt, 10)
      const times = { prefill: 100, decode: 10 }
      it.onRun(({ kind }) => it.wait(times[kind]))
      const other = it.ask({ id: 1, prompt: [1, 2, 3], maxTokens: 30 })
      await it.ask({ id: 2, prompt, answer: whole.slice(0, 6), maxTokens: 10 })
      await other
      // Of the other, whose chunk was over, the steps between the three chunks of this one.
      const own = { promptTokens: 20, promptMs: 300, replayedTokens: 6, replayMs: 60 }
      expect(it.begun.get(2)).toEqual({ ...own, othersMs: 30, maskMs: 0, firstTokenMs: 390 })
      expect(it.begun.get(1)).toMatchObject({ promptTokens: 3, replayedTokens: 0, replayMs: 0 })
    })
  })

  describe('fairness', () => {
    test('a long prompt does not hold up those who generate: chunks and steps alternate', async () => {
      const it = engine({ chunkTokens: 8, context: 512 })
      const first = it.ask({ id: 1, prompt: [1, 2, 3], maxTokens: 40 })
      const second = it.ask({ id: 2, prompt: promptOf(numbers(3), 300), maxTokens: 1 })
      await Promise.all([first, second])
      const kinds = it.runs.map(({ kind }) => kind).slice(1, 60)
      for (let i = 1; i < kinds.length; i++) expect(`${kinds[i - 1]} ${kinds[i]}`).not.toBe('prefill prefill')
    })

    test('a short prompt overtakes a long one, and the long one is never starved', async () => {
      const it = engine({ slots: 2, chunkTokens: 8, context: 512 })
      const ended: number[] = []
      const note = (id: number) => () => ended.push(id)
      const asked = [it.ask({ id: 0, prompt: promptOf(numbers(5), 80), maxTokens: 1 }).then(note(0))]
      for (let id = 1; id <= 40; id++)
        asked.push(it.ask({ id, prompt: promptOf(numbers(id), 8), maxTokens: 1 }).then(note(id)))
      await Promise.all(asked)
      expect(ended.indexOf(0)).toBeGreaterThan(0)
      expect(ended.indexOf(0)).toBeLessThan(40)
    })

    test('eight callers advance together, and a ninth waits for the first free slot', async () => {
      const it = engine({ slots: 8 })
      const done = Array.from({ length: 9 }, (_, id) =>
        it.ask({ id, prompt: [id + 1, 2, 3], maxTokens: id === 3 ? 12 : 20 }),
      )
      await Promise.all(done)
      expect(Math.max(...it.steps.map(({ decoding, prefilling }) => decoding + prefilling))).toBe(8)
      const startOfNinth = it.steps.findIndex(({ tokens }) => tokens.some((id, index) => index % 2 === 0 && id === 8))
      const endOfShort = it.steps.findIndex(({ ended }) => ended.some(([id]) => id === 3))
      expect(startOfNinth).toBeGreaterThan(endOfShort)
      expect(startOfNinth - endOfShort).toBeLessThanOrEqual(2)
    })
  })

  test('a cancelled request has left its slot before the next run', async () => {
    const it = engine({ slots: 2 })
    const lengths: number[] = []
    it.onRun((run) => {
      if (run.kind === 'decode') lengths.push(run.count)
      if (lengths.length === 5) it.cancel(1)
    })
    void it.ask({ id: 1, prompt: [1, 2, 3], maxTokens: 100 })
    await it.ask({ id: 2, prompt: [4, 5, 6], maxTokens: 30, sameness: false })
    // Run 5 had begun with both when the caller hung up.
    expect(lengths[4]).toBe(2)
    expect(lengths[5]).toBe(1)
    expect(it.steps.at(-1)).toMatchObject({ waiting: 0, prefilling: 0, decoding: 0 })
  })

  describe('a grammar', () => {
    const ALL = new Int32Array(Math.ceil(FAKE_VOCABULARY / 32)).fill(-1)
    const grammar = { text: '', limits: null }

    test('that is not ready holds up its own row alone, and changes nothing about the answer', async () => {
      const ready = Promise.withResolvers<void>()
      let isReady = false
      let looks = 0
      const it = engine({
        bound: {
          // Late at every second look even when it works.
          mask: () => (isReady && ++looks % 2 === 0 ? ALL : 'waiting'),
          ready: () => (isReady ? Promise.resolve() : ready.promise),
          accept() {},
          close() {},
        },
      })
      const held = it.ask({ id: 1, prompt: [1, 2, 3], maxTokens: 12, grammar })
      expect(await it.ask({ id: 2, prompt: [4, 5, 6], maxTokens: 30 })).toEqual(expected([4, 5, 6], 30))
      expect(it.answers.get(1)?.tokens).toEqual([])
      isReady = true
      ready.resolve()
      expect(await held).toEqual(expected([1, 2, 3], 12))
    })

    test('bounds what is drawn, and is closed with its answer', async () => {
      const only = new Int32Array(ALL.length)
      only[0] = 1 << 7
      let isClosed = false
      const close = () => {
        isClosed = true
      }
      const it = engine({ bound: { mask: () => only, ready: async () => {}, accept() {}, close } })
      expect(await it.ask({ id: 1, prompt: [1, 2, 3], maxTokens: 3, grammar })).toEqual([7, 7, 7])
      expect(isClosed).toBe(true)
    })

    test('that dies ends its answer and no other', async () => {
      let masks = 0
      const it = engine({
        bound: { mask: () => (++masks > 3 ? 'failed' : ALL), ready: async () => {}, accept() {}, close() {} },
      })
      void it.ask({ id: 1, prompt: [1, 2, 3], maxTokens: 12, grammar })
      expect(await it.ask({ id: 2, prompt: [4, 5, 6], maxTokens: 20 })).toEqual(expected([4, 5, 6], 20))
      expect(it.steps.flatMap(({ failed }) => failed ?? [])).toEqual([1])
      expect(it.answers.get(1)?.tokens).toEqual(expected([1, 2, 3], 3))
      expect(it.steps.at(-1)).toMatchObject({ waiting: 0, prefilling: 0, decoding: 0 })
    })
  })
})
