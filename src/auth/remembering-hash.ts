/** The hash of a key that was here a moment ago, without hashing it again: workerd makes a whole stream object for each hash. */

/** Each takes some 300 bytes. Made-up keys push out real ones, which then cost a hash again. */
const TEXTS_MAX = 2_000
/** No key of ours is longer. Others are hashed each time. */
const TEXT_CHARS_MAX = 128
/** Keys as they were sent stay in memory for so long at most while requests come: whoever uses one often sends it again. */
const KEPT_MS = 60_000

/**
 * What it finds is only a name to look up: whether a key is good is asked at each request. How long the table takes tells nothing of its
 * keys, for it compares only texts whose seeded hashes are the same.
 */
export function rememberingHash(hash: (text: string) => string, nowMs: () => number): (text: string) => string {
  let known = new Map<string, string>()
  let sinceMs = Number.NEGATIVE_INFINITY
  return (text) => {
    const now = nowMs()
    if (now - sinceMs > KEPT_MS || known.size >= TEXTS_MAX) {
      known = new Map()
      sinceMs = now
    }
    const found = known.get(text)
    if (found !== undefined) return found
    const hashed = hash(text)
    if (text.length <= TEXT_CHARS_MAX) known.set(text, hashed)
    return hashed
  }
}
