/** The scheduler on the fake decoder: what was run, what came back, and what should have. */
import type {
  BatchInvariant,
  EngineRequest,
  FinishReason,
  StepReport,
} from '../../../functions/inference/engine/engine-messages.ts'
import type { FirstTokenTimings } from '../../../functions/inference/engine/first-token-timings.ts'
import type { BoundAnswer } from '../../../functions/inference/engine/grammar/grammars.ts'
import { BLOCK_TOKENS, createPrefixStore } from '../../../functions/inference/engine/prefix-store.ts'
import { createSampler, type Sampler } from '../../../functions/inference/engine/sampler.ts'
import { createScheduler, rowsFor } from '../../../functions/inference/engine/scheduler.ts'
import { END_TOKEN, exactTokens, FAKE_VOCABULARY, type FakeRun, fakeDecoder, nextToken } from './fake-decoder.ts'

const GREEDY = { temperature: 0, topK: 0, topP: 1, seed: [0, 0] as [number, number], choice: 0 }

export type FakeEngineOptions = {
  slots?: number
  context?: number
  chunkTokens?: number
  chunkMs?: number
  batchInvariant?: BatchInvariant
  /** Of the prefix cache; default none. */
  blocks?: number
  /** What every request with a grammar is held to. */
  bound?: BoundAnswer
}

export type FakeEngine = ReturnType<typeof fakeEngine>

/** The scheduler with a decoder without a model, and a clock that only `wait` moves. */
export function fakeEngine(options: FakeEngineOptions = {}) {
  const {
    slots = 8,
    context = 256,
    chunkTokens = 16,
    chunkMs = 100,
    batchInvariant = 'seeded',
    blocks = 0,
    bound,
  } = options
  let clock = 0
  const runs: FakeRun[] = []
  const steps: StepReport[] = []
  const answers = new Map<number, { tokens: number[]; reason: FinishReason | null }>()
  const ends = new Map<number, () => void>()
  const cached = new Map<number, number>()
  const begun = new Map<number, FirstTokenTimings>()
  let beforeRun: (run: FakeRun) => void = () => {}
  let onStep: (step: StepReport) => void = () => {}
  const decoder = fakeDecoder(rowsFor(slots), context, (run) => {
    runs.push(run)
    beforeRun(run)
  })
  const store = createPrefixStore(decoder, blocks * BLOCK_TOKENS * decoder.tokenFloats * 4)
  const draw = createSampler(FAKE_VOCABULARY)
  /** By request: how many leading tokens were exact whenever a token was drawn that did not end the answer. */
  const exact = new Map<number, Set<number>>()
  const sampler: Sampler = (logits, parameters, index) => {
    const token = draw(logits, parameters, index)
    const id = parameters.seed[0]
    if (token !== END_TOKEN) exact.set(id, (exact.get(id) ?? new Set()).add(exactTokens(logits)))
    return token
  }
  const scheduler = createScheduler(decoder, sampler, {
    ...{ slots, chunkTokens, chunkMs, batchInvariant, store },
    ...(bound && { grammars: { open: () => bound } }),
    now: () => clock,
    report(step) {
      steps.push(step)
      onStep(step)
      for (const [id, tokens] of step.cached) cached.set(id, tokens)
      for (const [id, timings] of step.begun ?? []) begun.set(id, timings)
      for (let i = 0; i < step.tokens.length; i += 2) {
        answers.get(step.tokens[i] ?? -1)?.tokens.push(step.tokens[i + 1] ?? -1)
      }
      for (const [id, reason] of step.ended) {
        const answer = answers.get(id)
        if (answer !== undefined) answer.reason = reason
        ends.get(id)?.()
      }
    },
  })
  return {
    runs,
    steps,
    answers,
    cached,
    begun,
    exact,
    store,
    failed: scheduler.failed,
    cancel: scheduler.cancel,
    onRun(action: (run: FakeRun) => void) {
      beforeRun = action
    },
    onStep(action: (step: StepReport) => void) {
      onStep = action
    },
    now: () => clock,
    wait(milliseconds: number) {
      clock += milliseconds
    },
    /** Resolves with the tokens when the answer ends. */
    ask(request: Partial<EngineRequest> & { id: number; prompt: number[] }) {
      answers.set(request.id, { tokens: [], reason: null })
      scheduler.submit({
        answer: [],
        maxTokens: 10,
        sampling: { ...GREEDY, seed: [request.id, 0] },
        ...{ sameness: true, ...request },
      })
      return new Promise<number[]>((resolve) =>
        ends.set(request.id, () => resolve(answers.get(request.id)?.tokens ?? [])),
      )
    },
  }
}

/** What the fake model answers when nothing else is there. */
export function expected(prompt: readonly number[], maxTokens: number): number[] {
  const tokens = [...prompt]
  while (tokens.length < prompt.length + maxTokens) {
    const token = nextToken(tokens)
    tokens.push(token)
    if (token === END_TOKEN) break
  }
  return tokens.slice(prompt.length)
}

/** A fixed sequence of numbers below `limit`. */
export function numbers(seed: number) {
  let state = seed
  return (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}
export const promptOf = (next: (limit: number) => number, length: number) =>
  Array.from({ length }, () => 1 + next(FAKE_VOCABULARY - 2))
