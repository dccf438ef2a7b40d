/**
 * What an isolate knows of D1, kept fresh: `remember` returns a look-up that answers from memory at once, and whose answers are never
 * older than 10 s while anything can be asked. See remembered.ts for the rules, docs/storage.md for who tells whom.
 */
import { type ChangeWatch, type ConfigObject, changeWatch, type HearChanges } from './change-watch.ts'
import { type Recall, type Remember, remembered } from './remembered.ts'
import type { Reserve } from './reserve.ts'
import type { SetTimer } from './within.ts'

export type Directory = {
  remember<Stored, Value = Stored | undefined>(spec: Remember<Stored, Value>): Recall<Value>
  /**
   * After a write to D1 and its row in `change` have been committed: all isolates hear of it within seconds, this one before the promise
   * resolves. Never rejects: a lost call heals, for the Config object looks by itself.
   */
  changed(): Promise<void>
}

/** Make it once per isolate. `config` makes a stub for the current request; `waitUntil` keeps the current request's context alive. */
export function directory(options: {
  config: () => ConfigObject
  reserve: Reserve
  waitUntil: (promise: Promise<unknown>) => void
  nowMs: () => number
  setTimer: SetTimer
}): Directory {
  const listeners: HearChanges[] = []
  const watch: ChangeWatch = changeWatch({
    ...options,
    hear: (changes, everything) => {
      for (const hear of listeners) hear(changes, everything)
    },
  })
  return {
    remember(spec) {
      const { recall, hear } = remembered(spec, { ...options, watch })
      listeners.push(hear)
      return recall
    },
    changed: watch.poke,
  }
}
