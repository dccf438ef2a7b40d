/** What the routes need of the rest of the server. */
import type { MachineWatch } from '../announce/machine-load.ts'
import type { EmbeddingService } from '../embedding/embedding-service.ts'
import type { Engine } from '../engine/engine-client.ts'
import type { ChatTemplate } from '../text/chat-template.ts'
import type { Encoder } from '../text/encoder.ts'
import type { Tokenizer } from '../text/tokenizer.ts'
import { RequestError } from './request-error.ts'
import type { ServerMetrics } from './server-metrics.ts'

/** A model that can answer. */
export type Serving = {
  modelName: string
  /** Seconds since 1970 at which the model came up, for /v1/models. */
  created: number
  fingerprint: string
  /** Tokens of prompt and answer together. */
  context: number
  /** Requests that wait beyond those that run. */
  queueMax: number
  slots: number
  bosTokenId: number | null
  eosTokenIds: readonly number[]
  tokenizer: Tokenizer
  /** For texts of any length; the tokenizer itself keeps everyone waiting. */
  encoder: Encoder
  /** Or why chat is not possible. */
  template: { ok: true; template: ChatTemplate } | { ok: false; message: string }
  engine: Engine
  /** Adapters below it may be loaded at run time; null for none. */
  adaptersDir: string | null
  log: (line: string) => void
  metrics: ServerMetrics
}

/** Before the model is there and while the server stops, requests are refused; /health says which. */
export type Server = {
  serving: Serving | null
  /** Null where the server has none. */
  embeddings: EmbeddingService | null
  isStopping: boolean
  isDraining: boolean
  metrics: ServerMetrics
  machine: MachineWatch
}

/** @throws RequestError while the model loads, or the server drains or stops */
export function whenServing({ serving, isStopping, isDraining }: Server): Serving {
  if (isStopping) throw new RequestError('engine_unavailable', 'The server is stopping.')
  if (isDraining) throw new RequestError('draining', 'The server takes no more requests; those in flight end.')
  if (serving === null || serving.engine.state() === 'loading') {
    throw new RequestError('model_loading', 'The model is still loading.')
  }
  return serving
}
