/** How many tokens of a prompt one run takes. */
import type { ChunkPace } from './chunk-pace.ts'

/** Measured with 128, 256 and 512: at depth the last two are 3 % faster than the first, and whoever comes meanwhile waits for a chunk. */
export const CHUNK_TOKENS_DEFAULT = 256

/** The shortest chunk that may be asked for: one less is still two. */
export const CHUNK_TOKENS_MIN = 3

/** ONNX Runtime computes so many rows of a product with 4-bit weights at a time (StrideM in its qnbitgemm.cpp). */
const TILE_ROWS = 128

/** Whether a run of so many rows, tokens of a chunk or requests that decode, computes one alone: by another kernel, whose last bits differ. */
export const leavesOneAlone = (rows: number): boolean => rows % TILE_ROWS === 1

/** At most `longest` tokens, and none alone, neither in the chunk nor behind it. `longest` is CHUNK_TOKENS_MIN or more, `left` 2 or more. */
export function chunkLength(left: number, longest: number): number {
  const most = Math.min(left, longest)
  for (let count = most; count > 1; count--) if (left - count !== 1 && !leavesOneAlone(count)) return count
  return most
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
