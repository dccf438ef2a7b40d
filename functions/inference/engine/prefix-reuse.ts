/** What a reading of a prompt takes from the prefix store instead of computing it, and what it leaves there. */
import { type AdapterName, BLOCK_TOKENS, type PrefixStore } from './prefix-store.ts'

/** Tokens that are being fed into a row. */
export type Reading = {
  adapter: AdapterName
  /** Whether keys and values that are not exact may be used. */
  wants: 'exact' | 'any'
  /** Whether the logits behind every token are wanted: then each must be computed, and nothing is taken from the store. */
  everyLogit: boolean
  row: number
  /** Tokens in the row. */
  position: number
  /** How many leading ones of those are exact, as PrefixStore means it. */
  exact: number
  /** Tokens that came from the store. */
  cached: number
}

/** @param of what is read for; nothing is in the row yet */
export function openReading(of: Pick<Reading, 'adapter' | 'wants' | 'everyLogit'>, row: number): Reading {
  return { ...of, row, position: 0, exact: 0, cached: 0 }
}

export type PrefixReuse = {
  /** How far the store reaches into a prompt: the position from which it will have to be computed, at least where the row is. */
  reach(reading: Reading, prompt: readonly number[]): number
  /**
   * Copies what the store has of the prompt behind the row's position, block by block as long as `isTime` allows; at least one block.
   * @returns whether that was all
   */
  take(reading: Reading, prompt: readonly number[], isTime: () => boolean): boolean
  /** Stores what the row holds. @returns how many of the tokens are stored now */
  keep(reading: Reading, tokens: readonly number[]): number
}

/**
 * Tokens at the end of a prompt that are computed in any case: the logits behind the last are wanted, and a chunk has at least two
 * (the second rule of sameness).
 */
const TOKENS_COMPUTED_MIN = 2

export function createPrefixReuse(store: PrefixStore): PrefixReuse {
  const find = ({ adapter, wants, everyLogit }: Reading, prompt: readonly number[]) =>
    store.find(adapter, prompt, everyLogit ? 0 : prompt.length - TOKENS_COMPUTED_MIN, wants)

  return {
    reach: (reading, prompt) => Math.max(reading.position, find(reading, prompt).length),
    take(reading, prompt, isTime) {
      const prefix = find(reading, prompt)
      while (reading.position < prefix.length) {
        const { row, position } = reading
        const end = Math.min(prefix.length, position + BLOCK_TOKENS - (position % BLOCK_TOKENS))
        store.load(prefix, row, position, end)
        if (reading.exact === position) reading.exact = Math.max(position, Math.min(end, prefix.exact))
        reading.cached += end - position
        reading.position = end
        if (!isTime()) return end === prefix.length
      }
      return true
    },
    keep: (reading, tokens) => store.save(reading.adapter, tokens, reading.row, Math.min(reading.exact, tokens.length)),
  }
}
