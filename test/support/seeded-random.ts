/** A stream of numbers that the same seed repeats: for tests that try many cases and must be able to try one again. */
export type Random = {
  /** 0 to 1, 1 excluded. */
  next(): number
  /** A whole number from 0 to `below` - 1. */
  below(below: number): number
  /** @throws Error when there is nothing to pick from */
  pick<Item>(items: readonly Item[]): Item
  chance(probability: number): boolean
}

/** mulberry32: 32 bits of state, good enough to choose cases by. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    next,
    below,
    pick(items) {
      const at = below(items.length)
      if (at >= items.length) throw new Error('Nothing to pick from.')
      // Sound: `at` is an index of the list, whose items may themselves be undefined.
      return items[at] as (typeof items)[number]
    },
    chance: (probability) => next() < probability,
  }
}
