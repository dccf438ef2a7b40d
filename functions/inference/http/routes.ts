/** All routes of the server. */
import { loadAdapter, unloadAdapter } from './adapters.ts'
import { chatCompletions } from './chat-completions.ts'
import { detokenize } from './detokenize.ts'
import { embeddings } from './embeddings.ts'
import { generate } from './generate.ts'
import { invocations } from './invocations.ts'
import type { Route } from './route.ts'
import { drain, health, live, load, metrics, models, ping } from './status.ts'
import { textCompletions } from './text-completions.ts'
import { tokenize } from './tokenize.ts'

export const ROUTES: readonly Route[] = [
  { method: 'POST', path: '/v1/chat/completions', handler: chatCompletions },
  { method: 'POST', path: '/v1/completions', handler: textCompletions },
  { method: 'POST', path: '/v1/embeddings', handler: embeddings },
  { method: 'GET', path: '/v1/models', handler: models },
  { method: 'POST', path: '/v1/load_lora_adapter', handler: loadAdapter },
  { method: 'POST', path: '/v1/unload_lora_adapter', handler: unloadAdapter },
  { method: 'POST', path: '/generate', handler: generate },
  { method: 'POST', path: '/tokenize', handler: tokenize },
  { method: 'POST', path: '/detokenize', handler: detokenize },
  { method: 'GET', path: '/health', open: true, handler: health },
  { method: 'GET', path: '/health/ready', open: true, handler: health },
  { method: 'GET', path: '/health/live', open: true, handler: live },
  { method: 'GET', path: '/load', handler: load },
  { method: 'POST', path: '/drain', handler: drain },
  { method: 'GET', path: '/metrics', handler: metrics },
]

/** SageMaker calls without a key, from inside its own network; the two exist nowhere else. */
export const SAGEMAKER_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/ping', open: true, handler: ping },
  { method: 'POST', path: '/invocations', open: true, handler: invocations },
]
