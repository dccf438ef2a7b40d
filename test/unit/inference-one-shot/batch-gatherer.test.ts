import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import {
  type Arrival,
  type BatchGatherer,
  type CallerOutcome,
  createBatchGatherer,
  type RunOutcome,
} from '../../../functions/inference/one-shot/batch-gatherer.ts'

/** A caller's number, the place in his list, what it weighs, and whether a run with it fails. */
type Item = { caller: number; at: number; weight: number; isBad?: boolean }
type Failure = 'poisoned' | 'crashed'
type Run = { items: Item[]; at: number; end(outcome: RunOutcome<string, Failure>): void }
type Options = { itemsMax?: number; weightMax?: number; waitMs?: number; waitingMax?: number }

/** A gatherer whose time stands still until it is told to go on, and whose runs end when they are told to. */
function bench({ itemsMax = 4, weightMax = 1_000, waitMs = 100, waitingMax = 1_000 }: Options = {}) {
  let now = 0
  const timers = new Set<{ at: number; action: () => void }>()
  const runs: Run[] = []
  const running: Run[] = []
  const gatherer: BatchGatherer<Item, string, Failure> = createBatchGatherer({
    ...{ itemsMax, weightMax, waitMs, waitingMax, weightOf: ({ weight }: Item) => weight },
    clock: {
      now: () => now,
      after(ms, action) {
        const timer = { at: now + ms, action }
        timers.add(timer)
        return () => timers.delete(timer)
      },
    },
    run(items) {
      return new Promise((resolve) => {
        const run: Run = {
          items,
          at: now,
          end(outcome) {
            running.splice(running.indexOf(run), 1)
            resolve(outcome)
          },
        }
        runs.push(run)
        running.push(run)
      })
    },
  })
  return {
    gatherer,
    runs,
    running,
    now: () => now,
    advance(ms: number) {
      const end = now + ms
      for (;;) {
        const due = [...timers].filter(({ at }) => at <= end).sort((one, other) => one.at - other.at)[0]
        if (due === undefined) break
        timers.delete(due)
        now = Math.max(now, due.at)
        due.action()
      }
      now = end
    },
    timers: () => timers.size,
    /** Ends the run as a model would: each item's own answer, unless one of them is bad. */
    async complete(run = running[0]) {
      if (run === undefined) throw new Error('Nothing runs.')
      const isBad = run.items.some((item) => item.isBad === true)
      run.end(
        isBad ? { ok: false, failure: 'poisoned', mayBeOneItems: true } : { ok: true, results: run.items.map(nameOf) },
      )
      await settled()
    },
    submit: (items: Item[], arrival: Arrival<Item, string, Failure> = gatherer.expect(), signal = never) =>
      arrival.submit(items, signal),
  }
}

const never = new AbortController().signal
const nameOf = ({ caller, at }: Item) => `${caller}.${at}`
const items = (caller: number, count: number, weight = 1): Item[] =>
  Array.from({ length: count }, (_, at) => ({ caller, at, weight }))
/** All microtasks that are due have run. */
const settled = () => new Promise((resolve) => setImmediate(resolve))
const good = (...results: string[]) => ({ ok: true, results })
const bad = (failure: Failure | 'cancelled' | 'full') => ({ ok: false, failure })
const sizes = (runs: Run[]) => runs.map((run) => run.items.length)

describe('when a run begins', () => {
  test('a lone caller runs at once', () => {
    const { submit, runs } = bench()
    submit(items(1, 1))
    expect(sizes(runs)).toEqual([1])
  })

  test('whoever is on his way is waited for, and runs with those who came first', async () => {
    const { gatherer, submit, runs, complete } = bench()
    const [first, second] = [gatherer.expect(), gatherer.expect()]
    const one = submit(items(1, 1), first)
    expect(runs).toEqual([])
    const other = submit(items(2, 1), second)
    expect(sizes(runs)).toEqual([2])
    await complete()
    expect([await one, await other]).toEqual([good('1.0'), good('2.0')])
  })

  test('a full batch waits for nobody', () => {
    const { gatherer, submit, runs } = bench()
    gatherer.expect()
    submit(items(1, 4))
    expect(sizes(runs)).toEqual([4])
  })

  test('nor does one that weighs as much as it may', () => {
    const { gatherer, submit, runs } = bench({ weightMax: 10 })
    gatherer.expect()
    submit(items(1, 2, 5))
    expect(sizes(runs)).toEqual([2])
  })

  test('one who does not come is waited for so long and no longer, and one who says so not at all', () => {
    const { gatherer, submit, runs, advance } = bench()
    gatherer.expect()
    advance(40)
    const late = gatherer.expect()
    submit(items(1, 1))
    advance(99)
    expect(runs).toEqual([])
    late.withdraw()
    expect(sizes(runs)).toEqual([1])
  })

  test('an item waits for company at most the limit, however many keep setting out', () => {
    const { gatherer, submit, runs, advance } = bench()
    gatherer.expect()
    submit(items(1, 1))
    for (let ms = 0; ms < 100; ms += 10) {
      expect(runs).toEqual([])
      gatherer.expect()
      advance(10)
    }
    expect(sizes(runs)).toEqual([1])
  })

  test('what came during a run runs together after it', async () => {
    const { submit, runs, complete } = bench()
    submit(items(1, 1))
    for (const caller of [2, 3, 4, 5, 6]) submit(items(caller, 1))
    await complete()
    await complete()
    expect(sizes(runs)).toEqual([1, 4, 1])
  })

  test('a batch weighs no more than the limit, but for an item that does alone', async () => {
    const { submit, runs, complete } = bench({ weightMax: 10 })
    submit(items(1, 1))
    for (const [caller, weight] of [
      [2, 6],
      [3, 4],
      [4, 50],
      [5, 1],
    ] as const)
      submit(items(caller, 1, weight))
    while (runs.at(-1)?.items[0]?.caller !== 5) await complete()
    expect(runs.map((run) => run.items.map(({ caller }) => caller))).toEqual([[1], [2, 3], [4], [5]])
  })

  test('callers take turns: a long list holds nobody up', async () => {
    const { submit, runs, complete } = bench()
    submit(items(1, 100))
    submit(items(2, 2))
    submit(items(3, 1))
    await complete()
    expect(runs[1]?.items.map(nameOf)).toEqual(['1.4', '2.0', '3.0', '1.5'])
  })
})

describe('what goes wrong', () => {
  test('a bad item fails alone: the others of its run are run again one by one', async () => {
    const { submit, runs, complete } = bench()
    submit(items(1, 1))
    const answers = [2, 3, 4].map((caller) => submit([{ caller, at: 0, weight: 1, isBad: caller === 3 }]))
    for (let run = 0; run < 5; run++) await complete()
    expect(await Promise.all(answers)).toEqual([good('2.0'), bad('poisoned'), good('4.0')])
    expect(sizes(runs)).toEqual([1, 3, 1, 1, 1])
  })

  test('a bad item that was alone is not tried twice', async () => {
    const { submit, runs, complete } = bench()
    const answer = submit([{ caller: 1, at: 0, weight: 1, isBad: true }])
    await complete()
    expect(await answer).toEqual(bad('poisoned'))
    expect(sizes(runs)).toEqual([1])
  })

  test('a run that fails for another reason fails all that were in it, and nobody else', async () => {
    const { submit, running, runs, complete } = bench()
    const first = submit(items(1, 2))
    const second = submit(items(2, 1))
    running[0]?.end({ ok: false, failure: 'crashed', mayBeOneItems: false })
    expect(await first).toEqual(bad('crashed'))
    await complete()
    expect(await second).toEqual(good('2.0'))
    expect(sizes(runs)).toEqual([2, 1])
  })

  test('a list ends with its first bad item, and what was left of it is not run', async () => {
    const { gatherer, submit, runs, complete } = bench()
    const list = items(1, 12).map((item) => ({ ...item, isBad: item.at === 1 }))
    const answer = submit(list)
    for (let run = 0; run < 3; run++) await complete()
    expect(await answer).toEqual(bad('poisoned'))
    expect(gatherer.waiting()).toBe(0)
    expect(sizes(runs)).toEqual([4, 1, 1])
  })

  test('whoever leaves takes along what waits, and what runs is thrown away', async () => {
    const { gatherer, submit, runs, complete } = bench()
    const leaves = new AbortController()
    const left = submit(items(1, 6), undefined, leaves.signal)
    const stays = submit(items(2, 1))
    leaves.abort()
    expect(await left).toEqual(bad('cancelled'))
    expect(gatherer.waiting()).toBe(1)
    await complete()
    await complete()
    expect(await stays).toEqual(good('2.0'))
    expect(runs.map((run) => run.items.length)).toEqual([4, 1])
    expect(await submit(items(3, 1), undefined, leaves.signal)).toEqual(bad('cancelled'))
  })

  test('nothing is left on the signal of a caller who stayed', async () => {
    const { submit, complete } = bench()
    const { signal } = new AbortController()
    const answer = submit(items(1, 1), undefined, signal)
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await complete()
    await answer
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  test('more than may wait is refused whole, and leaves nothing behind', async () => {
    const { gatherer, submit, runs, complete } = bench({ waitingMax: 5 })
    submit(items(1, 5))
    submit(items(2, 3))
    expect(await submit(items(3, 2))).toEqual(bad('full'))
    expect(gatherer.waiting()).toBe(4)
    await complete()
    expect(gatherer.waiting()).toBe(0)
    expect(sizes(runs)).toEqual([4, 4])
    expect(await submit([])).toEqual(good())
  })
})

/** Mulberry32: the same numbers at every run. */
function randomFrom(seed: number) {
  let state = seed
  return (below: number) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

test('whatever happens in whatever order, everyone gets his own answers, once, and nobody waits for nothing', async () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = randomFrom(seed)
    const limits = {
      itemsMax: 1 + random(6),
      weightMax: 4 + random(20),
      waitMs: random(50),
      waitingMax: 10 + random(40),
    }
    const { gatherer, submit, runs, running, advance, complete, now, timers } = bench(limits)
    const onTheirWay: { arrival: Arrival<Item, string, Failure>; since: number }[] = []
    const asked: {
      list: Item[]
      since: number
      leave: AbortController
      answer: Promise<CallerOutcome<string, Failure>>
    }[] = []
    const actions: (() => void | Promise<void>)[] = [
      () => void onTheirWay.push({ arrival: gatherer.expect(), since: now() }),
      () => onTheirWay.splice(random(onTheirWay.length + 1), 1)[0]?.arrival.withdraw(),
      () => {
        const list = items(asked.length, random(9)).map((item) => ({
          ...item,
          weight: 1 + random(8),
          isBad: random(12) === 0,
        }))
        const leave = new AbortController()
        const arrival = onTheirWay.pop()?.arrival ?? gatherer.expect()
        asked.push({ list, since: now(), leave, answer: submit(list, arrival, leave.signal) })
      },
      () => asked[random(asked.length + 1)]?.leave.abort(),
      () => (running.length > 0 ? complete() : undefined),
      () => advance(random(30)),
    ]
    for (let step = 0; step < 60; step++) {
      await actions[random(actions.length)]?.()
      await settled()
      expect(running.length).toBeLessThanOrEqual(1)
      expect(gatherer.waiting()).toBeLessThanOrEqual(limits.waitingMax)
      if (running.length > 0 || gatherer.waiting() === 0) continue
      // Something waits and nothing runs: somebody is on his way, neither has waited too long, and the timer is set.
      expect(onTheirWay.some(({ since }) => now() < since + limits.waitMs)).toBe(true)
      expect(gatherer.waiting()).toBeLessThan(limits.itemsMax)
      expect(timers()).toBe(1)
    }
    advance(1_000)
    while (running.length > 0) {
      await complete()
      advance(1_000)
    }
    for (const { list, leave, answer } of asked) {
      const outcome = await answer
      if (outcome.ok) expect(outcome.results).toEqual(list.map(nameOf))
      else if (outcome.failure === 'cancelled') expect(leave.signal.aborted).toBe(true)
      else if (outcome.failure === 'poisoned') expect(list.some(({ isBad }) => isBad)).toBe(true)
      else expect(outcome.failure).toBe('full')
    }
    expect(gatherer.waiting()).toBe(0)
    for (const run of runs) {
      expect(run.items.length).toBeLessThanOrEqual(limits.itemsMax)
      const weight = run.items.reduce((sum, item) => sum + item.weight, 0)
      expect(run.items.length === 1 || weight <= limits.weightMax).toBe(true)
    }
    // Nobody who stayed was run more often than twice: with the others, and alone.
    const times = new Map<string, number>()
    for (const item of runs.flatMap((run) => run.items)) times.set(nameOf(item), (times.get(nameOf(item)) ?? 0) + 1)
    expect(Math.max(0, ...times.values())).toBeLessThanOrEqual(2)
  }
})
