/** Time that passes only when nothing else can happen: simulations of minutes take what their work takes. */

export type EventClock = {
  nowMs(): number
  sleep(ms: number): Promise<void>
  /** Calls at that time, before what was arranged later for the same time. */
  at(ms: number, call: () => void): void
  /** Until nothing is arranged any more, or the time is reached. */
  run(untilMs?: number): Promise<void>
}

type Arranged = { atMs: number; number: number; call: () => void }

export function eventClock(startMs: number): EventClock {
  let nowMs = startMs
  let number = 0
  const heap: Arranged[] = []

  const isBefore = (a: Arranged, b: Arranged) => a.atMs < b.atMs || (a.atMs === b.atMs && a.number < b.number)

  function push(item: Arranged): void {
    let at = heap.push(item) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (!above || isBefore(above, item)) break
      heap[at] = above
      at = parent
    }
    heap[at] = item
  }

  function pop(): Arranged | undefined {
    const top = heap[0]
    const last = heap.pop()
    if (!top || !last || heap.length === 0) return top
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      const [left, right] = [heap[child], heap[child + 1]]
      if (!left) break
      if (right && isBefore(right, left)) child += 1
      const smaller = heap[child]
      if (!smaller || isBefore(last, smaller)) break
      heap[at] = smaller
      at = child
    }
    heap[at] = last
    return top
  }

  const at = (atMs: number, call: () => void) => {
    number += 1
    push({ atMs: Math.max(atMs, nowMs), number, call })
  }

  return {
    nowMs: () => nowMs,
    sleep: (ms) => new Promise((resolve) => at(nowMs + ms, resolve)),
    at,
    async run(untilMs = Number.POSITIVE_INFINITY) {
      for (;;) {
        // All that promises have to do happens before time goes on.
        await new Promise((resolve) => setImmediate(resolve))
        const next = heap[0]
        if (!next || next.atMs > untilMs) return
        nowMs = next.atMs
        while (heap[0]?.atMs === nowMs) pop()?.call()
      }
    },
  }
}
