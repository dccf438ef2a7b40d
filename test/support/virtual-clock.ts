/**
 * Time that passes when the test says so. Work on real bindings is waited for before the clock moves, so that what a test sees does
 * not depend on how fast the machine is.
 */
export type VirtualClock = {
  nowMs(): number
  sleep(ms: number): Promise<void>
  /** Calls once, unless the function it returns is called before. */
  setTimer(ms: number, call: () => void): () => void
  /** Marks real work, as a query, that the clock must wait for until the returned function is called. */
  working(): () => void
  /** Lets so much time pass, and whatever happens in it. */
  advance(ms: number): Promise<void>
  /** Lets pass what `work` needs, from one timer to the next. */
  run<Value>(work: Value | Promise<Value>): Promise<Value>
}

export function virtualClock(startMs = 1_764_000_000_000): VirtualClock {
  let now = startMs
  let order = 0
  let realWork = 0
  const timers = new Map<number, { atMs: number; call: () => void }>()

  /** Everything that needs no time is done. */
  async function settle(): Promise<void> {
    do {
      // A turn of the real event loop empties the queue of microtasks.
      await new Promise((resolve) => setImmediate(resolve))
    } while (realWork > 0)
  }

  /** The earliest timer; of two at the same time, the one that was set first. */
  function next(): [number, { atMs: number; call: () => void }] | undefined {
    return [...timers].reduce<[number, { atMs: number; call: () => void }] | undefined>(
      (first, timer) => (first && first[1].atMs <= timer[1].atMs ? first : timer),
      undefined,
    )
  }

  function fire([id, timer]: [number, { atMs: number; call: () => void }]): void {
    timers.delete(id)
    now = Math.max(now, timer.atMs)
    timer.call()
  }

  function setTimer(ms: number, call: () => void): () => void {
    const id = order++
    timers.set(id, { atMs: now + ms, call })
    return () => timers.delete(id)
  }

  return {
    nowMs: () => now,
    setTimer,
    sleep: (ms) => new Promise((resolve) => setTimer(ms, resolve)),
    working() {
      realWork += 1
      let isDone = false
      return () => {
        if (!isDone) realWork -= 1
        isDone = true
      }
    },
    async advance(ms) {
      const until = now + ms
      for (;;) {
        await settle()
        const timer = next()
        if (!timer || timer[1].atMs > until) break
        fire(timer)
      }
      now = until
    },
    async run(work) {
      let isOver = false
      const over = () => {
        isOver = true
      }
      Promise.resolve(work).then(over, over)
      for (;;) {
        await settle()
        if (isOver) return work
        const timer = next()
        if (!timer) throw new Error('Nothing is left that could bring the awaited about.')
        fire(timer)
      }
    },
  }
}
