/** What a request's `model` names: the model that is served, or one of its adapters. */
import { createHash } from 'node:crypto'
import { RequestError } from './request-error.ts'
import type { Serving } from './serving.ts'

export type ChosenModel = {
  /** As the caller named it; answers repeat it. */
  model: string
  /** The adapter's name, or null for the model itself. */
  adapter: string | null
  /** `system_fingerprint`: an adapter's weights are part of what an answer's sameness holds for. */
  fingerprint: string
}

/** @throws RequestError for a name that nothing here has */
export function chooseModel({ modelName, fingerprint, engine }: Serving, model: string): ChosenModel {
  if (model === modelName) return { model, adapter: null, fingerprint }
  const adapter = engine.adapters.list().find(({ name }) => name === model)
  if (adapter === undefined) {
    throw new RequestError('model_not_found', `This server serves ${modelName}, not ${model}.`, 'model')
  }
  const digest = createHash('sha256').update(`${fingerprint} ${adapter.digest}`).digest('hex')
  return { model, adapter: model, fingerprint: `fp_${digest.slice(0, 12)}` }
}
