/** A store behind the isolate's memory: slower, and shared by more. It may be lost or fail at any time; the model still answers. */

export type AnswerStore = {
  name: string
  /** The text that was put, if it is there still. Rejects when the store fails. */
  get(key: string): Promise<string | undefined>
  /** Kept for so many seconds at most. Rejects when the store fails. */
  put(key: string, text: string, seconds: number): Promise<void>
}

/** How long a request waits for a store: less than an answer that it might save takes to begin. */
const LOOK_MS = 250
/** After a failure a store is left alone for so long, so that while it is down nobody waits for it. */
const REST_MS = 10_000

export type Failure = { store: string; cause: unknown }

/** The same store that never rejects and never keeps a request waiting: open, as a cache may be. `report` is told once per failure and rest. */
export function forgivingStore(
  store: AnswerStore,
  options: { now: () => number; report: (failure: Failure) => void; lookMs?: number },
): AnswerStore {
  const { now, report, lookMs = LOOK_MS } = options
  let restsUntil = 0

  async function attempt<Value>(step: () => Promise<Value>): Promise<Value | undefined> {
    if (now() < restsUntil) return undefined
    try {
      return await step()
    } catch (cause) {
      if (now() >= restsUntil) report({ store: store.name, cause })
      restsUntil = now() + REST_MS
      return undefined
    }
  }

  return {
    name: store.name,
    get: (key) => attempt(() => within(lookMs, store.get(key))),
    put: async (key, text, seconds) => void (await attempt(() => store.put(key, text, seconds))),
  }
}

async function within<Value>(ms: number, step: Promise<Value>): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${ms} ms.`)), ms)
  })
  try {
    return await Promise.race([step, tooLate])
  } finally {
    clearTimeout(timer)
  }
}
