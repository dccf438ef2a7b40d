/**
 * The Config object's memory of the table `change`: answers who asks what is new without reading, as long as its own last look is
 * young. Pure: table, clock and timer are passed in.
 */
import { BEFORE_ALL, CHANGES_MAX, type Change, type ChangesAnswer, RESERVE_SERVES_MS, type Version } from './change.ts'
import type { ChangeTable } from './change-table.ts'
import { type SetTimer, within } from './within.ts'

/** Rows that the table keeps; beyond CHANGES_MAX they are only for the eyes of people. */
const ROWS_KEPT = 10_000
const PRUNE_EVERY = 1_000

/** A look this old is renewed beside the answer: so a poke that was lost heals. */
const LOOK_EVERY_MS = 2_000
/** A look this old is renewed before the answer. With an isolate's 3 s between questions the sum stays below its 10 s. */
const LOOK_BEFORE_ANSWER_MS = 5_000
/** Less than an isolate waits for the object. */
const LOOK_TIMEOUT_MS = 1_000

export type ChangeFeed = {
  /** Never rejects: when the table cannot be read, `lookAgeMs` says how old the answer is. */
  changesSince(version: Version | undefined): Promise<ChangesAnswer>
  /** As `changesSince`, after a look that began after the call: a writer's own change is among them. */
  poke(version: Version | undefined): Promise<ChangesAnswer>
}

export function changeFeed(options: {
  table: ChangeTable
  nowMs: () => number
  setTimer: SetTimer
  /** Told once when looks begin to fail. */
  warn: (cause: unknown) => void
}): ChangeFeed {
  const { table, nowMs, setTimer, warn } = options
  let changes: Change[] = []
  let lookedAtMs = Number.NEGATIVE_INFINITY
  let looking: Promise<void> | undefined
  let isFailing = false
  let prunedAtSeq = 0

  /** One at a time. Never rejects. */
  function look(): Promise<void> {
    if (looking) return looking
    const startedAtMs = nowMs()
    const look = within(setTimer, LOOK_TIMEOUT_MS, newestChanges())
      .then(
        (read) => {
          changes = read
          lookedAtMs = startedAtMs
          isFailing = false
          prune()
        },
        (cause) => {
          // Open by policy: who asks is told how old the answer is, and decides.
          if (!isFailing) warn(cause)
          isFailing = true
        },
      )
      .finally(() => {
        looking = undefined
      })
    looking = look
    return look
  }

  async function newestChanges(): Promise<Change[]> {
    const last = changes.at(-1)
    if (!last) return table.newest(0, CHANGES_MAX)
    const [first, ...more] = await table.newest(last.seq, CHANGES_MAX)
    if (first?.seq === last.seq && first.atMs === last.atMs) return [...changes, ...more].slice(-CHANGES_MAX)
    // More happened than is kept, or the database was restored to an earlier minute.
    return table.newest(0, CHANGES_MAX)
  }

  function prune(): void {
    const seq = currentVersion().seq
    if (seq - prunedAtSeq < PRUNE_EVERY) return
    prunedAtSeq = seq
    // Nothing depends on it; the next thousand changes bring the next try.
    table.prune(seq - ROWS_KEPT).catch(() => undefined)
  }

  function currentVersion(): Version {
    const last = changes.at(-1)
    return last ? { seq: last.seq, atMs: last.atMs } : BEFORE_ALL
  }

  function answer(version: Version | undefined): ChangesAnswer {
    if (lookedAtMs === Number.NEGATIVE_INFINITY) return { kind: 'unknown' }
    const head = { version: currentVersion(), lookAgeMs: nowMs() - lookedAtMs }
    const from = version === undefined ? undefined : indexAfter(version)
    if (from !== undefined) return { kind: 'changes', ...head, changes: changes.slice(from) }
    const recent = nowMs() - RESERVE_SERVES_MS
    return { kind: 'too_old', ...head, changes: changes.filter(({ atMs }) => atMs >= recent) }
  }

  /** Undefined when what came after it is not known here. */
  function indexAfter(version: Version): number | undefined {
    const first = changes[0]
    if (version.seq === BEFORE_ALL.seq) return first === undefined || first.seq === 1 ? 0 : undefined
    const index = changes.findLastIndex(({ seq }) => seq === version.seq)
    return changes[index]?.atMs === version.atMs ? index + 1 : undefined
  }

  return {
    async changesSince(version) {
      const ageMs = nowMs() - lookedAtMs
      if (ageMs > LOOK_EVERY_MS) {
        const renewed = look()
        if (ageMs > LOOK_BEFORE_ANSWER_MS) await renewed
      }
      return answer(version)
    },

    async poke(version) {
      // The look that runs may have read before the writer's commit.
      await looking
      await look()
      return answer(version)
    },
  }
}
