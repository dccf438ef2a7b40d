/** When each key of a kind was last told to be forgotten, so that an older copy in the reserve does not bring it back. */
import { RESERVE_SERVES_MS } from './change.ts'

/** Beyond, everything counts as forgotten at the last change: then the reserve serves less, never more. */
const KEYS_MAX = 2_000

/** A writer notes the time before the commit, which may take a while, and clocks differ a little: in between the old was still true. */
const COMMIT_TAKES_MS = 5_000

export type Forgotten = {
  note(key: string, atMs: number): void
  noteAll(atMs: number): void
  /** Whether something that was true at that moment may have been changed since. */
  isSince(key: string, verifiedAtMs: number): boolean
}

export function forgotten(): Forgotten {
  let allAtMs = Number.NEGATIVE_INFINITY
  let latestAtMs = Number.NEGATIVE_INFINITY
  const atMs = new Map<string, number>()
  return {
    note(key, at) {
      latestAtMs = Math.max(latestAtMs, at)
      if (atMs.size >= KEYS_MAX) {
        for (const [known, when] of atMs) if (when < latestAtMs - RESERVE_SERVES_MS) atMs.delete(known)
      }
      if (atMs.size >= KEYS_MAX) {
        allAtMs = latestAtMs
        atMs.clear()
      }
      atMs.set(key, Math.max(at, atMs.get(key) ?? at))
    },
    noteAll(at) {
      allAtMs = Math.max(allAtMs, at)
    },
    isSince: (key, verifiedAtMs) =>
      verifiedAtMs - COMMIT_TAKES_MS <= Math.max(allAtMs, atMs.get(key) ?? Number.NEGATIVE_INFINITY),
  }
}
