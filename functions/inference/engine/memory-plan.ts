/** How much memory the engine may take where nobody says: slots, and the cache of prefixes beside them. */
import type { ModelConfig } from '../models/model-config.ts'

export type MemoryPlan = { slots: number; prefixCacheBytes: number }

/** What was asked for; null leaves it to the memory. */
export type MemoryWishes = { slots: number | null; prefixCacheMb: number | null }

export type Memory = {
  /** What this machine or container could still give. */
  availableBytes: number
  weightsBytes: number
  /** A slot that is full. */
  rowBytes: number
}

/** Two, so that a long answer never keeps everyone else waiting. */
const SLOTS_MIN = 2
/** More share a step at hardly any gain, and each waits longer for its next token. */
const SLOTS_MAX = 16
/** Above it a lookup more seldom finds what was not there before, and a server should not take all that a machine has. */
const PREFIX_CACHE_MB_MAX = 4_096
const MB = 2 ** 20

/** Rows take at most half of what the weights leave (ONNX Runtime keeps a second, packed copy of them), the cache half of the rest. */
export function planMemory(wishes: MemoryWishes, { availableBytes, weightsBytes, rowBytes }: Memory): MemoryPlan {
  const spare = Math.max(0, availableBytes - 2 * weightsBytes)
  const slots = wishes.slots ?? Math.min(Math.max(Math.floor(spare / 2 / rowBytes), SLOTS_MIN), SLOTS_MAX)
  const rest = Math.max(0, spare - slots * rowBytes)
  const prefixCacheMb = wishes.prefixCacheMb ?? Math.min(Math.floor(rest / 2 / MB), PREFIX_CACHE_MB_MAX)
  return { slots, prefixCacheBytes: prefixCacheMb * MB }
}

/** Keys and values of one token, as kv-cache.ts keeps them. */
export const tokenBytes = ({ layers, kvHeads, headDim }: ModelConfig): number =>
  layers * 2 * kvHeads * headDim * Float32Array.BYTES_PER_ELEMENT
