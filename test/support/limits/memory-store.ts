/** The store of limits as the simulations have it: exact, with a distance, counting its calls, and failing when told to. */
import type { LimitStore } from '../../../src/limits/stores.ts'

export type MemoryStore = LimitStore & {
  calls: number
  /** What counts as used in a window. */
  used(owner: string, name: string, windowStartMs: number): number
}

export function memoryStore(options: {
  /** Half of it before the store decides and half after. */
  sleep: (ms: number) => Promise<void>
  roundTripMs: () => number
  /** The call is lost: before it was counted, or the answer afterwards. */
  loses?: () => 'call' | 'answer' | 'nothing'
  /** Given more than is left: what a broken store would do. */
  grantsBeyond?: number
}): MemoryStore {
  const { sleep, roundTripMs, loses = () => 'nothing', grantsBeyond = 0 } = options
  const windows = new Map<string, number>()
  const holders = new Map<string, Map<string, { places: number; untilMs: number }>>()

  async function call<Answer>(decide: () => Answer): Promise<Answer> {
    store.calls += 1
    const lost = loses()
    const halfMs = roundTripMs() / 2
    await sleep(halfMs)
    if (lost === 'call') throw new Error('The call was lost.')
    const answer = decide()
    await sleep(halfMs)
    if (lost === 'answer') throw new Error('The answer was lost.')
    return answer
  }

  const store: MemoryStore = {
    calls: 0,
    used: (owner, name, startMs) => windows.get(`${owner}:${name}:${startMs}`) ?? 0,
    take: ({ owner, name, amount }, startMs, { need, want, spent }) =>
      call(() => {
        const key = `${owner}:${name}:${startMs}`
        const used = (windows.get(key) ?? 0) + spent
        const remaining = Math.max(0, amount + grantsBeyond - used)
        const granted = remaining >= want ? want : remaining >= need ? remaining : 0
        windows.set(key, used + granted)
        return { granted, remaining: remaining - granted }
      }),
    giveBack: ({ owner, name }, startMs, amount) =>
      call(() => {
        const key = `${owner}:${name}:${startMs}`
        windows.set(key, (windows.get(key) ?? 0) - amount)
      }),
    hold: ({ owner, name, amount }, { holderId, running, want, nowMs, untilMs }) =>
      call(() => {
        const key = `${owner}:${name}`
        const all = holders.get(key) ?? new Map<string, { places: number; untilMs: number }>()
        holders.set(key, all)
        let others = 0
        for (const [id, holder] of all) if (id !== holderId && holder.untilMs > nowMs) others += holder.places
        const places = Math.max(running, Math.min(want, Math.max(0, amount - others)))
        all.set(holderId, { places, untilMs })
        return places
      }),
  }
  return store
}
