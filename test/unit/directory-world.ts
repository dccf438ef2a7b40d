/** A database, a Config object and isolates with 120 ms between them, on a virtual clock: what test/unit/directory.test.ts looks at. */
import type { Change } from '../../src/directory/change.ts'
import { type ChangeFeed, changeFeed } from '../../src/directory/change-feed.ts'
import { type Directory, directory } from '../../src/directory/directory.ts'
import type { Recall, Remember } from '../../src/directory/remembered.ts'
import { kvReserve } from '../../src/directory/reserve.ts'
import { distance } from '../support/distance.ts'
import { virtualClock } from '../support/virtual-clock.ts'

export type Isolate = {
  directory: Directory
  /** Remembers `text` by the tenant's id. */
  recall: Recall<string | undefined>
  /** Takes what time it needs. */
  ask(key: string): Promise<string | undefined>
}

export function directoryWorld() {
  const clock = virtualClock()
  // What is called is no real work here: it needs the clock to move.
  const far = distance({ nowMs: clock.nowMs, sleep: clock.sleep })
  /** What D1 holds. */
  const rows = new Map<string, string>()
  let changes: Change[] = []
  let loads = 0
  let asks = 0
  let feed = newFeed()

  function newFeed(): ChangeFeed {
    return changeFeed({
      ...clock,
      warn: () => undefined,
      table: {
        newest: (seq, limit) => far.call('DB', () => changes.filter((change) => change.seq >= seq).slice(-limit)),
        prune: (seq) =>
          far.call('DB', () => {
            changes = changes.filter((change) => change.seq >= seq)
          }),
      },
    })
  }

  const store = new Map<string, string>()
  // Sound: the reserve uses these three methods.
  const namespace = far.keyValue('RESERVE', {
    get: async (key: string) => store.get(key) ?? null,
    put: async (key: string, value: string) => void store.set(key, value),
    delete: async (key: string) => void store.delete(key),
    getWithMetadata: () => undefined,
  } as unknown as KVNamespace)

  function isolate(spec: Partial<Remember<string, string | undefined>> = {}): Isolate {
    const one = directory({
      ...clock,
      config: () => ({
        changesSince: (version) =>
          far.call('CONFIG', () => {
            asks += 1
            return feed.changesSince(version)
          }),
        poke: (version) => far.call('CONFIG', () => feed.poke(version)),
      }),
      reserve: kvReserve(namespace),
      waitUntil: () => undefined,
    })
    const recall = one.remember<string, string | undefined>({
      kind: 'text',
      load: (key) =>
        far.call('DB', () => {
          loads += 1
          return rows.get(key)
        }),
      ...spec,
    })
    return { directory: one, recall, ask: async (key) => clock.run(recall(key)) }
  }

  return {
    clock,
    far,
    rows,
    store,
    isolate,
    loads: () => loads,
    asks: () => asks,
    /** A write as admin routes make it: the row and its change at once. No poke. */
    write(key: string, value: string | undefined, kind = 'text', subject = key) {
      if (value === undefined) rows.delete(key)
      else rows.set(key, value)
      const seq = (changes.at(-1)?.seq ?? 0) + 1
      changes.push({ seq, kind, tenantId: key, subject, atMs: clock.nowMs() })
    },
    /** The object's memory is gone. */
    evictObject() {
      feed = newFeed()
    },
    /** Time travel: the last changes never were. */
    restore(count: number) {
      changes = changes.slice(0, -count)
    },
  }
}
