/** What a writer tells the isolates, and how far one of them has read. Plain data: it crosses RPC boundaries. */

/** A row of the table `change` (migrations/0001_change.sql). */
export type Change = {
  seq: number
  kind: string
  tenantId: string
  /** Empty: all of that kind and tenant. */
  subject: string
  atMs: number
}

/**
 * The last change that somebody knows. Its time is part of it because a database that was restored to an earlier minute gives its
 * numbers out again: who knows number 55 of the other history must not take the new 56 for the next.
 */
export type Version = { seq: number; atMs: number }

export const BEFORE_ALL: Version = { seq: 0, atMs: 0 }

/** What the Config object answers. `lookAgeMs`: so long ago it began to read the table for the last time. */
export type ChangesAnswer =
  | { kind: 'changes'; version: Version; lookAgeMs: number; changes: readonly Change[] }
  /**
   * The asker's version is too old, from another history, or not there yet: whatever it remembers it must forget. The changes are
   * those of the last RESERVE_SERVES_MS, which tell what the reserve must not bring back.
   */
  | { kind: 'too_old'; version: Version; lookAgeMs: number; changes: readonly Change[] }
  /** The table could not be read since the object began to live. */
  | { kind: 'unknown' }

/** How long after its last verification something may still serve while nobody can be asked. */
export const RESERVE_SERVES_MS = 15 * 60_000

/** How many changes the Config object remembers. Who has missed more must forget all it knows. */
export const CHANGES_MAX = 1_000
