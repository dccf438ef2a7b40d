/**
 * What an isolate knows of changes: asks the Config object in the background while requests come, and tells who remembers things what
 * to forget. Never rejects; `knownAsOfMs` says how far what it knows reaches.
 */
import type { Change, ChangesAnswer, Version } from './change.ts'
import { type SetTimer, within } from './within.ts'

const ASK_EVERY_MS = 3_000
/** The object waits a second for D1 at most. */
const ASK_TIMEOUT_MS = 2_000
/** After a question that failed nobody waits for another one so soon. */
const ASK_AGAIN_MS = 1_000

/** What the Config object offers; its stub fits. */
export type ConfigObject = {
  changesSince(version?: Version): Promise<ChangesAnswer>
  poke(version?: Version): Promise<ChangesAnswer>
}

/** `everything`: forget all, and note these changes of late for the reserve's sake. */
export type HearChanges = (changes: readonly Change[], everything: boolean) => void

export type ChangeWatch = {
  /** Whatever was committed before this moment has been heard of. */
  knownAsOfMs(): number
  /** Asks in the background when the last question is some seconds old. Cheap: every look into the memory calls it. */
  keepAsking(nowMs: number): void
  /** Waits for an answer, for a bounded time, unless the last question failed just now. */
  refresh(): Promise<void>
  /** After a write of ours has been committed: has the object look, and hears what it found. */
  poke(): Promise<void>
}

/** `config` makes a stub for the current request: stubs may not be shared between requests. */
export function changeWatch(options: {
  config: () => ConfigObject
  hear: HearChanges
  waitUntil: (promise: Promise<unknown>) => void
  nowMs: () => number
  setTimer: SetTimer
}): ChangeWatch {
  const { config, hear, waitUntil, nowMs, setTimer } = options
  let version: Version | undefined
  let knownAsOfMs = Number.NEGATIVE_INFINITY
  let askedAtMs = Number.NEGATIVE_INFINITY
  let failedAtMs = Number.NEGATIVE_INFINITY
  let asking: Promise<void> | undefined

  async function ask(method: 'changesSince' | 'poke'): Promise<void> {
    const startedAtMs = nowMs()
    try {
      const answer = await within(setTimer, ASK_TIMEOUT_MS, config()[method](version))
      if (answer.kind === 'unknown') {
        failedAtMs = nowMs()
        return
      }
      // Two answers may overtake each other: then something is forgotten twice, which costs a load and harms nothing.
      version = answer.version
      hear(answer.changes, answer.kind === 'too_old')
      knownAsOfMs = Math.max(knownAsOfMs, startedAtMs - answer.lookAgeMs)
    } catch {
      failedAtMs = nowMs()
    }
  }

  function start(): Promise<void> {
    askedAtMs = nowMs()
    const question = ask('changesSince').finally(() => {
      if (asking === question) asking = undefined
    })
    asking = question
    // Others wait for it too: it must outlive the request that asked.
    waitUntil(question)
    return question
  }

  return {
    knownAsOfMs: () => knownAsOfMs,

    keepAsking(now) {
      if (now - askedAtMs >= ASK_EVERY_MS) start()
    },

    async refresh() {
      const now = nowMs()
      // A question of a request whose context died is never answered: not joined when it is that old.
      if (asking && now - askedAtMs < ASK_TIMEOUT_MS) {
        await within(setTimer, ASK_TIMEOUT_MS, asking).catch(() => undefined)
      } else if (now - failedAtMs >= ASK_AGAIN_MS) {
        await start()
      }
    },

    poke: () => ask('poke'),
  }
}
