/**
 * Feeds prompts into rows, one chunk at a time: what the prefix store has is copied, the rest is computed, in runs that take about as
 * long as they may. Everything computed goes to the store at once, so that whoever brings the same beginning meanwhile need not wait
 * for the end.
 */
import { chunkLength, chunkTokensWithin } from './chunk-length.ts'
import { createChunkPace } from './chunk-pace.ts'
import type { Decoder } from './decoder.ts'
import { createPrefixReuse, type Reading } from './prefix-reuse.ts'
import type { PrefixStore } from './prefix-store.ts'

export type PromptReaderOptions = {
  store: PrefixStore
  /** The longest chunk. */
  chunkTokens: number
  /** Milliseconds. */
  now(): number
}

export type ChunkRead = {
  /** Tokens computed. */
  count: number
  milliseconds: number
  /** Behind the last of them, float [vocabSize], or where every one is wanted float [count, vocabSize]; overwritten by the next run. */
  logits: Float32Array
  /** Whether the store has room for everything read so far. */
  isStored: boolean
}

export type PromptReader = {
  /** Tokens of a prompt that would have to be computed now. */
  left(reading: Reading, prompt: readonly number[]): number
  /**
   * Brings a row closer to the end of the prompt, which it must not have reached.
   * @param timeMs about how long it may take; Infinity computes the longest chunk
   * @returns null when copying took the time: nothing was computed, and there is more to do
   */
  read(reading: Reading, prompt: readonly number[], timeMs: number): Promise<ChunkRead | null>
  /** Stores what the row holds: the tokens given, at most `reading.position`. @returns how many of them are stored now */
  keep(reading: Reading, tokens: readonly number[]): number
}

/** What the token is that no one reads; any will do. */
const FILLER = 0

export function createPromptReader(decoder: Decoder, { store, chunkTokens, now }: PromptReaderOptions): PromptReader {
  const reuse = createPrefixReuse(store)
  const pace = createChunkPace()

  async function compute(reading: Reading, tokens: readonly number[], count: number) {
    const { row, position, everyLogit, adapter } = reading
    const started = now()
    const wanted = everyLogit ? 'all' : 'last'
    const logits = await decoder.prefill({ row, tokens, start: position, count, position, logits: wanted, adapter })
    const milliseconds = now() - started
    pace.observe(count, position, milliseconds)
    return { logits, milliseconds }
  }

  /** A prompt of one token gets a filler behind it, which the first generated token overwrites; only position 0 gives logits. */
  async function computeLonely({ row, adapter }: Reading, token: number) {
    const started = now()
    const tokens = [token, FILLER]
    const logits = await decoder.prefill({ row, tokens, start: 0, count: 2, position: 0, logits: 'all', adapter })
    return { logits: logits.subarray(0, decoder.config.vocabSize), milliseconds: now() - started }
  }

  return {
    left: (reading, prompt) => prompt.length - reuse.reach(reading, prompt),
    async read(reading, prompt, timeMs) {
      const started = now()
      const timeLeft = () => started + timeMs - now()
      if (!reuse.take(reading, prompt, () => timeLeft() > 0)) return null
      const { position } = reading
      const longest = chunkTokensWithin(pace, timeLeft(), position, chunkTokens)
      const count = chunkLength(prompt.length - position, longest)
      const lonely = prompt.length === 1 ? prompt[0] : undefined
      const computed = await (lonely === undefined ? compute(reading, prompt, count) : computeLonely(reading, lonely))
      // On top of what is not exact nothing is.
      if (reading.exact === position) reading.exact += count
      reading.position += count
      const stored = reuse.keep(reading, prompt.slice(0, reading.position))
      return { ...computed, count, isStored: stored === reading.position }
    },
    keep: reuse.keep,
  }
}
