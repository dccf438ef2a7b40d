/** What the server's process and the engine's process say to each other: token ids and numbers, never text. One message per run. */
import type { GrammarSource } from '../grammar/grammar-source.ts'
import type { ThreadOptions } from './ort-session.ts'
import type { SamplingParameters } from './sampler.ts'

export type FinishReason = 'stop' | 'length'

/** How the engine's process is started: one JSON argument. */
export type EngineOptions = ThreadOptions & {
  /** Of model.onnx and config.json. */
  folder: string
  /** Requests that run at once; each holds `context` tokens of cache at most. */
  slots: number
  /** Tokens of prompt and answer together, at most what the model was made for. */
  context: number
  /** Prompt tokens per run: more is faster for the prompt, and slower for those who wait for their next token meanwhile. */
  chunkTokens: number
  batchInvariant: BatchInvariant
}

/** When a lone request pays for a second, empty row so that its answer does not depend on company. */
export type BatchInvariant = 'always' | 'seeded' | 'never'

/** `prompt` and `answer` are token ids; `answer` is what another replica already produced, to be replayed. */
export type EngineRequest = {
  id: number
  /** At least one. Prompt and maxTokens together fit the context. */
  prompt: number[]
  /** Fewer than maxTokens, and no end token among them. */
  answer: number[]
  /** Of the whole answer, replayed tokens included. */
  maxTokens: number
  sampling: SamplingParameters
  /** The answer must not depend on company. */
  sameness: boolean
  /** What the answer is held to; it was checked before. */
  grammar?: GrammarSource
}

/** What one run did. `tokens` alternates request id and token id; what is replayed does not appear. */
export type StepReport = {
  kind: 'prefill' | 'decode'
  milliseconds: number
  /** Prompt tokens of a prefill; rows of a decode, without a filler. */
  amount: number
  tokens: number[]
  ended: [id: number, reason: FinishReason][]
  /** Requests that cannot go on because what follows their grammar died. Absent: none. */
  failed?: number[]
  waiting: number
  prefilling: number
  decoding: number
}

export type ToEngine =
  | { type: 'generate'; request: EngineRequest }
  | { type: 'cancel'; id: number }
  | { type: 'compile'; id: number; grammar: GrammarSource }

export type FromEngine =
  | { type: 'ready'; ortVersion: string; loadMs: number }
  | { type: 'step'; step: StepReport }
  /** The answer to `compile`. */
  | { type: 'compiled'; id: number; result: Checked }

/** Whether a grammar can be followed; the message says why not. */
export type Checked = { ok: true } | { ok: false; message: string }
