/** How many tokens of a prompt one run takes. */
import type { ChunkPace } from './chunk-pace.ts'

/** Measured with 128, 256 and 512: at depth the last two are 3 % faster than the first, and whoever comes meanwhile waits for a chunk. */
export const CHUNK_TOKENS_DEFAULT = 256

/** The shortest chunk that may be asked for: one less is still two. */
export const CHUNK_TOKENS_MIN = 3

/** At most `longest` tokens, and never one left over alone: one-token runs use another kernel. `longest` is CHUNK_TOKENS_MIN or more. */
export function chunkLength(left: number, longest: number): number {
  const count = Math.min(left, longest)
  return left - count === 1 ? count - 1 : count
}

/** The longest chunk behind `position` tokens that takes about `milliseconds`: at least CHUNK_TOKENS_MIN, at most `chunkTokens`. */
export function chunkTokensWithin(
  pace: ChunkPace,
  milliseconds: number,
  position: number,
  chunkTokens: number,
): number {
  if (milliseconds === Number.POSITIVE_INFINITY) return chunkTokens
  const tokens = Math.floor(Math.min(chunkTokens, pace.tokensWithin(Math.max(0, milliseconds), position)))
  return Math.max(CHUNK_TOKENS_MIN, tokens)
}
