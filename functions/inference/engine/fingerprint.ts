/** What an answer's sameness holds for: the weights, the graph, the kernels, our own code, and the kind of processor. */
import { createHash } from 'node:crypto'
import { IMPORTER_VERSION } from '../models/model-config.ts'
import type { BatchInvariant } from './engine-messages.ts'
import { processor } from './processor.ts'

/** Raise when the same graph, prompt, parameters and seed may give another token: the scheduler's rules or the sampler changed. */
export const ENGINE_VERSION = 3

/**
 * @param batchInvariant with `never` an answer depends on its company, so no other server's is the same
 * @param onProcessor this one's, if not given
 */
export function systemFingerprint(
  weightsSha256: string,
  ortVersion: string,
  batchInvariant: BatchInvariant,
  onProcessor = processor(),
): string {
  const isSame = batchInvariant !== 'never'
  const parts = [weightsSha256, IMPORTER_VERSION, ortVersion, ENGINE_VERSION, onProcessor, isSame]
  return `fp_${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 12)}`
}
