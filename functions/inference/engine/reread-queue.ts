/**
 * Answers to read again as if they were prompts, when there is nothing else to do: a decode run made their keys and values, which the
 * next turn of a conversation that asks for sameness may not use. Once read exactly, they serve it like any prompt.
 */
import type { AdapterName } from './prefix-store.ts'

export type Reread = {
  adapter: AdapterName
  /** Prompt and answer. */
  tokens: readonly number[]
}

export type RereadQueue = {
  /** Takes the place of an earlier turn of the same conversation; beyond the bound the oldest is forgotten. */
  add(reread: Reread): void
  /** The one added last, whose next turn is the likeliest to come. */
  newest(): Reread | undefined
  remove(reread: Reread): void
}

export function createRereadQueue(lengthMax: number): RereadQueue {
  let queue: Reread[] = []
  return {
    add(reread) {
      queue = queue.filter((earlier) => !begins(earlier, reread))
      queue.push(reread)
      if (queue.length > lengthMax) queue.shift()
    },
    newest: () => queue.at(-1),
    remove(reread) {
      queue = queue.filter((other) => other !== reread)
    },
  }
}

const begins = (earlier: Reread, later: Reread) =>
  earlier.adapter === later.adapter &&
  earlier.tokens.length <= later.tokens.length &&
  earlier.tokens.every((token, index) => token === later.tokens[index])
