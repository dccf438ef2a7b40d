/** What the isolate remembers itself: the answers that were used last, bounded in number and in memory. */
import type { StoredAnswer } from './stored-answer.ts'

export type MemoryCache = {
  /** Undefined also when it is too old, and then it is gone. Makes it the last to be evicted. */
  get(key: string): StoredAnswer | undefined
  set(key: string, answer: StoredAnswer): void
  size(): { entries: number; bytes: number }
}

/** A character takes one byte or two, objects take more than their text, and who reads it keeps it filtered and rendered beside it. */
const BYTES_PER_CHAR = 4

export function memoryCache(options: {
  entriesMax: number
  bytesMax: number
  ttlMs: number
  now: () => number
}): MemoryCache {
  const { entriesMax, bytesMax, ttlMs, now } = options
  // A Map keeps the order in which keys were set: the first is the one that was used least recently.
  const entries = new Map<string, StoredAnswer>()
  let bytes = 0

  function forget(key: string, answer: StoredAnswer): void {
    entries.delete(key)
    bytes -= bytesOf(key, answer)
  }

  return {
    get(key) {
      const answer = entries.get(key)
      if (!answer) return undefined
      if (now() - answer.storedAt >= ttlMs) {
        forget(key, answer)
        return undefined
      }
      entries.delete(key)
      entries.set(key, answer)
      return answer
    },
    set(key, answer) {
      const before = entries.get(key)
      if (before) forget(key, before)
      entries.set(key, answer)
      bytes += bytesOf(key, answer)
      for (const [oldest, evicted] of entries) {
        if (entries.size <= entriesMax && bytes <= bytesMax) break
        forget(oldest, evicted)
      }
    },
    size: () => ({ entries: entries.size, bytes }),
  }
}

function bytesOf(key: string, answer: StoredAnswer): number {
  return (key.length + answer.chars) * BYTES_PER_CHAR
}
