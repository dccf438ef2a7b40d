/** What the server's process and the engine's process say to each other: token ids and numbers, never text. One message per run. */
import type { GrammarSource } from '../grammar/grammar-source.ts'
import type { FirstTokenTimings } from './first-token-timings.ts'
import type { ThreadOptions } from './ort-session.ts'
import type { SamplingParameters } from './sampler.ts'
import type { TokenLogprobs } from './token-logprobs.ts'

export type FinishReason = 'stop' | 'length'

/** How the engine's process is started: one JSON argument. */
export type EngineOptions = ThreadOptions & {
  /** Of model.onnx and config.json. */
  folder: string
  /** Requests that run at once; each holds `context` tokens of cache at most. */
  slots: number
  /** Tokens of prompt and answer together, at most what the model was made for. */
  context: number
  /** Prompt tokens per run at most: more is faster for the prompt, and longer to wait for whoever comes meanwhile. */
  chunkTokens: number
  /** About how long a run over a prompt may take while others wait for their next token. */
  chunkMs: number
  /** For keys and values of earlier prompts and answers, beside the slots; 0 keeps none. */
  prefixCacheBytes: number
  batchInvariant: BatchInvariant
  /** To be loaded before the engine serves; what cannot be is told. */
  adapters?: AdapterSource[]
}

/** A LoRA adapter as PEFT saves it. */
export type AdapterSource = {
  /** Requests name it so. */
  name: string
  /** Absolute, of adapter_config.json and adapter_model.safetensors. */
  folder: string
  /** The files must still be those with this digest. */
  digest?: string
}

export type LoadedAdapter = Required<AdapterSource> & {
  /** What its trainer says it was made for; null if nothing. */
  baseModel: string | null
}

/** `message` says what is wrong, in words that follow on the adapter's name. */
export type AdapterResult = { ok: true; adapter: LoadedAdapter } | { ok: false; name: string; message: string }

/** When a lone request pays for a second, empty row so that its answer does not depend on company. */
export type BatchInvariant = 'always' | 'seeded' | 'never'

/** `prompt` and `answer` are token ids; `answer` is what another replica already produced, to be replayed. */
export type EngineRequest = {
  id: number
  /** At least one. Prompt and maxTokens together fit the context. */
  prompt: number[]
  /** Fewer than maxTokens, and no token among them at which the answer ends. */
  answer: number[]
  /** Of the whole answer, replayed tokens included. 0 only reads the prompt. */
  maxTokens: number
  sampling: SamplingParameters
  /** The answer must not depend on company. */
  sameness: boolean
  /** Absent: the model's end tokens end the answer, from its first token on. */
  endings?: Endings
  /** Tell of each token how likely it was, beside this many of the likeliest; absent: do not. */
  logprobs?: number
  /** The same for each token of the prompt but the first. Needs every position's logits, so no part of the prompt may come from a cache. */
  promptLogprobs?: number
  /** The name of a loaded adapter; absent or null is the model itself. The scheduler sees a key that stands for the same weights for ever. */
  adapter?: string | null
  /** What the answer is held to; it was checked before. */
  grammar?: GrammarSource
}

export type Endings = {
  /** The model's end tokens are tokens like others. */
  ignoreEos: boolean
  /** Tokens that end the answer, beside those. */
  stopTokenIds: number[]
  /** None of either kind comes before the answer has so many tokens. */
  minTokens: number
}

/**
 * What one run did. `tokens` alternates request id and token id; what is replayed does not appear. A reread computes the keys and values
 * of an answer as a prompt's, when there is nothing else to do.
 */
export type StepReport = {
  kind: 'prefill' | 'decode' | 'reread'
  milliseconds: number
  /** Prompt tokens of a prefill, tokens of a reread; rows of a decode, without a filler. */
  amount: number
  tokens: number[]
  /** For requests that asked: one entry for each of their `tokens`, in the same order. */
  logprobs?: [id: number, logprobs: TokenLogprobs][]
  /** For a request that asked: of the tokens that follow on those of this chunk, in the order of the prompt. */
  promptLogprobs?: { id: number; logprobs: TokenLogprobs[] }
  /** Of requests whose prompt is now read: how many of its tokens were not computed, because the prefix cache had them. */
  cached: [id: number, tokens: number][]
  /** Requests whose first token is among `tokens`. Absent: none. */
  begun?: [id: number, timings: FirstTokenTimings][]
  /** What the prefix cache holds. */
  storedBytes: number
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
  | { type: 'load_adapter'; source: AdapterSource }
  | { type: 'unload_adapter'; name: string }
  | { type: 'compile'; id: number; grammar: GrammarSource }

export type FromEngine =
  | { type: 'ready'; ortVersion: string; loadMs: number; adapters: AdapterResult[] }
  | { type: 'step'; step: StepReport }
  | { type: 'adapter'; result: AdapterResult }
  /** The answer to `compile`. */
  | { type: 'compiled'; id: number; result: Checked }

/** Whether a grammar can be followed; the message says why not. */
export type Checked = { ok: true } | { ok: false; message: string }
