/** Embeddings for many callers: texts are encoded, rows of token ids gathered into batches, and each caller gets his own vectors. */
import { join } from 'node:path'
import type { ThreadOptions } from '../engine/ort-session.ts'
import type { EmbeddingFolder } from '../models/embedding-folder.ts'
import { type Arrival, createBatchGatherer } from '../one-shot/batch-gatherer.ts'
import { type CallFailure, type CallProcess, openCallProcess } from '../one-shot/call-process.ts'
import type { EmbeddingCall, EmbeddingChildOptions } from './embedding-child.ts'

export type EmbeddingEngineOptions = ThreadOptions & {
  folder: EmbeddingFolder
  /** Inputs per batch. */
  batchMax: number
  /** How long an input waits for others. */
  waitMs: number
  onBatch: (report: BatchReport) => void
  log: (line: string) => void
}

export type BatchReport = { inputs: number; tokens: number; milliseconds: number }

export type EmbeddingFailure = CallFailure | { code: 'full' } | { code: 'cancelled' }
export type EmbeddingResult<Value> = { ok: true; value: Value } | { ok: false; failure: EmbeddingFailure }

export type EmbeddingEngine = Pick<CallProcess, 'start' | 'state' | 'pid' | 'restarts' | 'stop'> & {
  /** A caller is on his way to `embed`. Ends with `leave`, whatever came of it. */
  enter(signal: AbortSignal): EmbeddingCaller
  /** Inputs that wait for a batch. */
  waiting(): number
}

export type EmbeddingCaller = {
  /** One row of token ids per text. @param tokensMax see EmbeddingTokenizer */
  encode(texts: readonly string[], tokensMax: number | null): Promise<EmbeddingResult<ArrayLike<number>[]>>
  /** One unit vector per row. The first failure of a row is the caller's. */
  embed(rows: readonly ArrayLike<number>[]): Promise<EmbeddingResult<Float32Array[]>>
  leave(): void
}

/** Inputs that are being encoded or wait for a batch: four of the longest lists, 8 MB of token ids. */
export const INPUTS_WAITING_MAX = 8_192
/**
 * Of a batch. Long inputs gain nothing from company (embedding-model.ts), and whoever comes during a batch waits for its end: a third
 * of a second on two cores.
 */
const BATCH_TOKENS_MAX = 2_048
/** Of one message to the child, which does nothing else meanwhile: 0.1 s of the slowest text that we know, 3 ms of English. */
const ENCODE_CHARS_MAX = 4_096

const CHILD_FILE = join(import.meta.dirname, 'embedding-child.ts')

export function openEmbeddingEngine(options: EmbeddingEngineOptions): EmbeddingEngine {
  const { folder, threads, spinUs, batchMax, waitMs, onBatch, log } = options
  const argument: EmbeddingChildOptions = { folder, threads, spinUs }
  const child = openCallProcess({ file: CHILD_FILE, argument, title: 'embedding model', log })
  const { dimensions } = folder
  let encoding = 0

  const gatherer = createBatchGatherer<ArrayLike<number>, Float32Array, CallFailure>({
    ...{ itemsMax: batchMax, weightMax: BATCH_TOKENS_MAX, weightOf: ({ length }) => length, waitMs },
    ...{ waitingMax: INPUTS_WAITING_MAX, clock: { now: () => performance.now(), after } },
    async run(rows) {
      const call: EmbeddingCall = { kind: 'embed', rows }
      const started = performance.now()
      const result = await child.call<Float32Array>(call)
      // A process that died is not tried with the same rows again; one that only refused may mean one of them.
      if (!result.ok) return { ...result, mayBeOneItems: result.failure.code === 'failed' }
      const tokens = rows.reduce((sum, { length }) => sum + length, 0)
      onBatch({ inputs: rows.length, tokens, milliseconds: performance.now() - started })
      const vectors = rows.map((_, at) => result.reply.subarray(at * dimensions, (at + 1) * dimensions))
      return { ok: true, results: vectors }
    },
  })

  async function encode(
    texts: readonly string[],
    tokensMax: number | null,
    signal: AbortSignal,
  ): Promise<EmbeddingResult<ArrayLike<number>[]>> {
    const rows: ArrayLike<number>[] = []
    while (rows.length < texts.length) {
      if (signal.aborted) return { ok: false, failure: { code: 'cancelled' } }
      const call: EmbeddingCall = { kind: 'encode', texts: someOf(texts, rows.length), tokensMax }
      const result = await child.call<Int32Array[]>(call)
      if (!result.ok) return result
      rows.push(...result.reply)
    }
    return { ok: true, value: rows }
  }

  return {
    start: child.start,
    state: child.state,
    pid: child.pid,
    restarts: child.restarts,
    stop: child.stop,
    waiting: gatherer.waiting,
    enter(signal) {
      const arrival: Arrival<ArrayLike<number>, Float32Array, CallFailure> = gatherer.expect()
      return {
        leave: arrival.withdraw,
        async encode(texts, tokensMax) {
          if (encoding + gatherer.waiting() + texts.length > INPUTS_WAITING_MAX) {
            return { ok: false, failure: { code: 'full' } }
          }
          encoding += texts.length
          const result = await encode(texts, tokensMax, signal)
          encoding -= texts.length
          return result
        },
        async embed(rows) {
          const outcome = await arrival.submit(rows, signal)
          if (outcome.ok) return { ok: true, value: outcome.results }
          const { failure } = outcome
          return { ok: false, failure: typeof failure === 'string' ? { code: failure } : failure }
        },
      }
    },
  }
}

/** As many texts from `start` on as one message takes; at least one. */
function someOf(texts: readonly string[], start: number): string[] {
  let end = start
  let chars = 0
  do chars += texts[end++]?.length ?? 0
  while (end < texts.length && chars + (texts[end]?.length ?? 0) <= ENCODE_CHARS_MAX)
  return texts.slice(start, end)
}

function after(ms: number, action: () => void): () => void {
  const timer = setTimeout(action, ms)
  return () => clearTimeout(timer)
}
