/** Many isolates and one store on a clock of their own: a minute of them takes a second, and the same seed gives the same minute. */
import { setImmediate as microtasksDone } from 'node:timers/promises'

export type SimulatedWorld = {
  nowMs(): number
  sleep(ms: number): Promise<void>
  /** Calls at this time; the clock never runs backwards. */
  at(timeMs: number, call: () => void): void
  /** Until nothing is left to happen, or the time is reached. */
  run(untilMs?: number): Promise<void>
}

export function simulatedWorld(startMs: number): SimulatedWorld {
  let now = startMs
  let order = 0
  // A binary heap by time, then by the order in which things were planned.
  const heap: { atMs: number; order: number; call: () => void }[] = []
  const before = (a: number, b: number) => {
    const [x, y] = [heap[a], heap[b]]
    return x !== undefined && y !== undefined && (x.atMs - y.atMs || x.order - y.order) < 0
  }
  const swap = (a: number, b: number) => {
    const [x, y] = [heap[a], heap[b]]
    if (x && y) [heap[a], heap[b]] = [y, x]
  }

  function at(timeMs: number, call: () => void): void {
    heap.push({ atMs: Math.max(now, timeMs), order: order++, call })
    for (let i = heap.length - 1; i > 0 && before(i, (i - 1) >> 1); i = (i - 1) >> 1) swap(i, (i - 1) >> 1)
  }

  function next(): (() => void) | undefined {
    const [top] = heap
    const last = heap.pop()
    if (!top || !last) return undefined
    if (heap.length > 0) {
      heap[0] = last
      for (let i = 0; ; ) {
        const left = 2 * i + 1
        const least = before(left + 1, left) ? left + 1 : left
        if (!before(least, i)) break
        swap(i, least)
        i = least
      }
    }
    now = top.atMs
    return top.call
  }

  return {
    nowMs: () => now,
    sleep: (ms) => new Promise((resolve) => at(now + ms, resolve)),
    at,
    async run(untilMs = Number.POSITIVE_INFINITY) {
      while (heap[0] && heap[0].atMs <= untilMs) {
        next()?.()
        await microtasksDone()
      }
      if (untilMs !== Number.POSITIVE_INFINITY) now = Math.max(now, untilMs)
    },
  }
}
