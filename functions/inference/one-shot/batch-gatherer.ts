/**
 * Runs the items of many callers in common batches, for models that answer in one run. Pure: the clock is passed in, and what a run does
 * is the owner's. One run at a time; callers take turns item by item, so that a long list holds nobody up.
 *
 * When a run begins: as soon as nothing runs and something waits, unless more is known to be on its way. A caller on his way says so
 * before he has his items (`expect`), and is waited for until he comes, the batch is full, or `waitMs` have passed. So a lone caller
 * never waits for company that does not come, a burst runs together, and under load batches fill while the one before runs.
 */

export type GathererOptions<Item, Result, Failure> = {
  /** Items per run, at least 1. */
  itemsMax: number
  /** Of the items of a run together; an item that weighs more runs alone. */
  weightMax: number
  weightOf(item: Item): number
  /** How long an item waits for company, and how long a caller who is on his way is waited for. */
  waitMs: number
  /** Items that may wait for a run. */
  waitingMax: number
  /** Gives one result per item, in order. Never rejects. */
  run(items: Item[]): Promise<RunOutcome<Result, Failure>>
  clock: Clock
}

export type Clock = {
  /** Milliseconds. */
  now(): number
  /** @returns what cancels it */
  after(ms: number, action: () => void): () => void
}

/** `mayBeOneItems`: a single item may be to blame, so each is run again alone, once, and only those that fail again fail. */
export type RunOutcome<Result, Failure> =
  | { ok: true; results: Result[] }
  | { ok: false; failure: Failure; mayBeOneItems: boolean }

/**
 * A caller's: one result per item, in order, or the first failure. `cancelled`: his signal was aborted before. `full`: nothing was taken,
 * since too many items wait.
 */
export type CallerOutcome<Result, Failure> =
  | { ok: true; results: Result[] }
  | { ok: false; failure: Failure | 'cancelled' | 'full' }

export type BatchGatherer<Item, Result, Failure> = {
  /** A caller is on his way; he ends that by one of the two. */
  expect(): Arrival<Item, Result, Failure>
  waiting(): number
}

export type Arrival<Item, Result, Failure> = {
  /** After a failure and when the signal aborts, what waits is removed, and what runs is thrown away. */
  submit(items: readonly Item[], signal: AbortSignal): Promise<CallerOutcome<Result, Failure>>
  /** He does not come. */
  withdraw(): void
}

type Caller<Item, Result, Failure> = {
  items: readonly Item[]
  /** Index of the first item that no run has taken. */
  next: number
  results: Result[]
  /** Items without a result. */
  open: number
  since: number
  isOver: boolean
  settle(outcome: CallerOutcome<Result, Failure>): void
}

export function createBatchGatherer<Item, Result, Failure>(
  options: GathererOptions<Item, Result, Failure>,
): BatchGatherer<Item, Result, Failure> {
  const { itemsMax, weightMax, weightOf, waitMs, waitingMax, run, clock } = options
  type Entry = { caller: Caller<Item, Result, Failure>; index: number; item: Item }
  /** In order of their turns; each has items that wait. */
  const queue: Caller<Item, Result, Failure>[] = []
  /** From failed runs, to be run alone. */
  let alone: Entry[] = []
  /** When each caller who is on his way set out. */
  const expected = new Set<{ since: number }>()
  let waiting = 0
  let waitingWeight = 0
  let isRunning = false
  let cancelTimer = () => {}

  /** Runs what is ready; or sets the timer for when it will be. */
  function pump() {
    if (isRunning) return
    cancelTimer()
    alone = alone.filter(({ caller }) => !caller.isOver)
    const retried = alone.shift()
    if (retried !== undefined) return start([retried], true)
    if (waiting === 0) return
    const waitsMs = companyComesWithin()
    if (waitsMs <= 0) return start(fill(), false)
    cancelTimer = clock.after(waitsMs, pump)
  }

  /** How long to wait for more, in milliseconds; 0 or less for not at all. */
  function companyComesWithin(): number {
    if (waiting >= itemsMax || waitingWeight >= weightMax) return 0
    const oldest = Math.min(...queue.map(({ since }) => since))
    const latest = Math.max(...[...expected].map(({ since }) => since))
    return Math.min(oldest, latest) + waitMs - clock.now()
  }

  function fill(): Entry[] {
    const batch: Entry[] = []
    let weight = 0
    for (let caller = queue[0]; caller !== undefined && batch.length < itemsMax; caller = queue[0]) {
      const index = caller.next
      const item = itemAt(caller, index)
      weight += weightOf(item)
      if (batch.length > 0 && weight > weightMax) break
      batch.push({ caller, index, item })
      caller.next++
      queue.shift()
      if (caller.next < caller.items.length) queue.push(caller)
    }
    const taken = batch.map(({ item }) => item)
    count(taken, -1)
    return batch
  }

  function count(items: readonly Item[], sign: 1 | -1) {
    waiting += sign * items.length
    waitingWeight += sign * items.reduce((sum, item) => sum + weightOf(item), 0)
  }

  async function start(batch: Entry[], isRetry: boolean) {
    isRunning = true
    const outcome = await run(batch.map(({ item }) => item))
    isRunning = false
    if (!outcome.ok && outcome.mayBeOneItems && !isRetry && batch.length > 1) alone = batch
    else
      for (const [at, entry] of batch.entries()) {
        if (outcome.ok) give(entry, outcome.results, at)
        else end(entry.caller, { ok: false, failure: outcome.failure })
      }
    pump()
  }

  function give({ caller, index }: Entry, results: Result[], at: number) {
    // Sound because a run gives one result per item.
    caller.results[index] = results[at] as Result
    caller.open--
    if (caller.open === 0) end(caller, { ok: true, results: caller.results })
  }

  function end(caller: Caller<Item, Result, Failure>, outcome: CallerOutcome<Result, Failure>) {
    caller.isOver = true
    caller.settle(outcome)
    const turn = queue.indexOf(caller)
    if (turn < 0) return
    queue.splice(turn, 1)
    count(caller.items.slice(caller.next), -1)
  }

  return {
    waiting: () => waiting,
    expect() {
      const announced = { since: clock.now() }
      expected.add(announced)
      return {
        withdraw() {
          if (expected.delete(announced)) pump()
        },
        async submit(items, signal) {
          expected.delete(announced)
          const isFull = waiting + items.length > waitingMax
          if (isFull || signal.aborted || items.length === 0) {
            pump()
            if (signal.aborted) return CANCELLED
            return isFull ? { ok: false, failure: 'full' } : { ok: true, results: [] }
          }
          return new Promise((resolve) => {
            const onAbort = () => end(caller, CANCELLED)
            const caller: Caller<Item, Result, Failure> = {
              ...{ items, next: 0, results: [], open: items.length, since: clock.now(), isOver: false },
              settle(outcome) {
                signal.removeEventListener('abort', onAbort)
                resolve(outcome)
              },
            }
            signal.addEventListener('abort', onAbort, { once: true })
            queue.push(caller)
            count(items, 1)
            pump()
          })
        },
      }
    },
  }
}

const CANCELLED = { ok: false, failure: 'cancelled' } as const

/** Sound because a caller stands in the queue only while it has a next item. */
const itemAt = <Item>({ items }: { items: readonly Item[] }, index: number) => items[index] as Item
