/**
 * Continuous batching: which request runs in which row at which step. Requests wait in one queue, take a slot, are prefilled in
 * chunks, and then advance together by one token per step; a chunk and a step alternate, so neither starves the other.
 * What was read and answered is stored (prefix-store.ts), and looked up before every chunk. Knows neither processes nor text.
 *
 * The rows of those who decode are always 0..n-1, because one tensor spans them; whoever prefills has a row behind them.
 *
 * Sameness (the answer to a request is a function of the request alone, bit for bit, see README.md) rests on three rules kept here:
 * no decode run and no chunk computes one row alone, and a generated token is always computed by a decode run.
 *
 * It is longer than other files because who waits, reads, decodes or stands still is one loop's state; reading (prompt-reader.ts), storing
 * (prefix-store.ts) and drawing (draw-token.ts) are elsewhere.
 */

import { leavesOneAlone } from './chunk-length.ts'
import type { Decoder } from './decoder.ts'
import { createDrawToken, type Drawing, openDrawing } from './draw-token.ts'
import type { BatchInvariant, EngineRequest, StepReport } from './engine-messages.ts'
import { type OpenTimings, openTimings, timeRuns } from './first-token-timings.ts'
import type { BoundAnswer, Grammars } from './grammar/grammars.ts'
import { openReading, type Reading } from './prefix-reuse.ts'
import { readChunkLogits } from './prompt-logprobs.ts'
import { createPromptReader, type PromptReaderOptions } from './prompt-reader.ts'
import { createRereadQueue, type Reread } from './reread-queue.ts'
import type { Sampler } from './sampler.ts'

export type SchedulerOptions = PromptReaderOptions & {
  slots: number
  /** About how long a chunk may take while others decode. */
  chunkMs: number
  batchInvariant: BatchInvariant
  /** For requests that have a grammar. */
  grammars?: Pick<Grammars, 'open'>
  /** Called after every run that changed something. */
  report(step: StepReport): void
}

export type Scheduler = {
  submit(request: EngineRequest): void
  /** Forgets a request wherever it is; its row is free before the next run. Unknown ids are ignored: it may just have ended. */
  cancel(id: number): void
  /** Resolves when a run failed, with the reason; the engine is of no use then. */
  failed: Promise<unknown>
}

type Running = Drawing &
  Reading & {
    /** What the answer is held to. */
    bound: BoundAnswer | null
    /** Logits from which nothing can be drawn before it is known what may be: the row stands still, the others go on. */
    undrawn: Float32Array | null
    timings: OpenTimings
  }

type Waiting = { request: EngineRequest; timings: OpenTimings }

/** Every so many chunks the request that waits longest is served, so that short prompts cannot starve a long one. */
const OLDEST_EVERY_CHUNKS = 4
/** A request that comes while an answer is read again waits about so long at most. */
const REREAD_MS = 50
/** Conversations whose last answer may wait to be read again. */
const REREADS_MAX = 16
/** What an empty row is fed; any token will do. */
const FILLER = 0

/** Rows that a decoder needs for so many slots. */
export const rowsFor = (slots: number): number => (leavesOneAlone(slots) ? slots + 1 : slots)

export function createScheduler(untimed: Decoder, sampler: Sampler, options: SchedulerOptions): Scheduler {
  const { slots, chunkMs, store, now } = options
  const { vocabSize, eosTokenIds } = untimed.config
  const { decoder, drawToken, clock } = timeRuns(untimed, createDrawToken(vocabSize, sampler, eosTokenIds), now)
  const waiting: Waiting[] = []
  const prefilling: Running[] = []
  /** The index is the row. */
  const decoding: Running[] = []
  const cancelled = new Set<number>()
  const reader = createPromptReader(decoder, options)
  const rereads = createRereadQueue(REREADS_MAX)
  /** Lives in row 0 as long as nobody else needs a row. */
  let rereading: (Reading & { of: Reread }) | undefined
  let chunks = 0
  let busy = false
  /** Of a request or a hang-up, for whom nobody else must be waited for. */
  let arrival = Promise.withResolvers<void>()
  const failure = Promise.withResolvers<unknown>()

  function submit(request: EngineRequest) {
    waiting.push({ request, timings: openTimings(clock) })
    arrival.resolve()
    if (busy) return
    busy = true
    loop().catch(failure.resolve)
  }

  async function loop() {
    while (true) {
      dropCancelled()
      admit()
      if (prefilling.length + decoding.length === 0) {
        const reread = rereads.newest()
        if (reread === undefined) break
        await runReread(reread)
        continue
      }
      if (prefilling.length > 0) await runChunk()
      dropCancelled()
      if (decoding.length > 0) await runStep()
    }
    busy = false
  }

  function dropCancelled() {
    if (cancelled.size === 0) return
    for (let row = decoding.length - 1; row >= 0; row--) {
      if (cancelled.has(decoding[row]?.request.id ?? -1)) leave(row)
    }
    removeAll(prefilling, ({ request, bound }) => {
      if (!cancelled.has(request.id)) return false
      bound?.close()
      return true
    })
    removeAll(waiting, ({ request }) => cancelled.has(request.id))
    cancelled.clear()
  }

  function admit() {
    while (decoding.length + prefilling.length < slots) {
      const next = waiting.shift()
      if (next === undefined) return
      const { request, timings } = next
      rereading = undefined
      const { adapter = null, promptLogprobs, grammar, answer, maxTokens } = request
      const wants = wantsSameness(request) ? 'exact' : 'any'
      const reading = openReading({ adapter, wants, everyLogit: promptLogprobs !== undefined }, freeRow())
      // What may be drawn first is known before the prompt is read, as a rule.
      const bound = grammar === undefined ? null : (options.grammars?.open(grammar, answer, maxTokens) ?? null)
      prefilling.push({ ...openDrawing(request), ...reading, bound, undrawn: null, timings })
    }
  }

  const wantsSameness = ({ sameness }: EngineRequest) =>
    options.batchInvariant === 'always' || (options.batchInvariant === 'seeded' && sameness)

  /** The first row behind those who decode that nobody prefills. */
  function freeRow(): number {
    let row = decoding.length
    while (prefilling.some((running) => running.row === row)) row++
    return row
  }

  async function runChunk() {
    const running = nextToPrefill()
    if (running === undefined) return
    const { request } = running
    const { prompt } = request
    const chunk = await reader.read(running, prompt, decoding.length > 0 ? chunkMs : Number.POSITIVE_INFINITY)
    // Copying took the time; it goes on after the others' next token.
    if (chunk === null) return
    const { count } = chunk
    running.timings.read(count, chunk.milliseconds)
    const step = { ...emptyReport('prefill'), milliseconds: chunk.milliseconds, amount: count }
    const logits = readChunkLogits(chunk.logits, { request, start: running.position - count, count, vocabSize }, step)
    if (running.position === prompt.length && !cancelled.has(running.request.id)) {
      prefilling.splice(prefilling.indexOf(running), 1)
      join(running)
      step.cached.push([running.request.id, running.cached])
      if (running.replayed === 0) advance(running, logits, step)
    }
    send(step)
  }

  /** The prompt with the least left to compute first: it answers most callers soonest. Every fourth chunk goes to the oldest. */
  function nextToPrefill(): Running | undefined {
    const turn = chunks++ % OLDEST_EVERY_CHUNKS
    if (turn === OLDEST_EVERY_CHUNKS - 1) return prefilling[0]
    let best: Running | undefined
    let leastLeft = Number.POSITIVE_INFINITY
    for (const running of prefilling) {
      const left = reader.left(running, running.request.prompt)
      if (left >= leastLeft) continue
      best = running
      leastLeft = left
    }
    return best
  }

  /** One chunk of an answer to be read again. */
  async function runReread(reread: Reread) {
    const { tokens, adapter } = reread
    if (rereading?.of !== reread)
      rereading = { ...openReading({ adapter, wants: 'exact', everyLogit: false }, 0), of: reread }
    const reading = rereading
    const chunk = await reader.read(reading, tokens, REREAD_MS)
    // Copying took the time; whoever comes meanwhile must be heard before it goes on.
    if (chunk === null) return new Promise<void>((resolve) => setImmediate(resolve))
    if (reading.position === tokens.length || !chunk.isStored) rereads.remove(reread)
    send({ ...emptyReport('reread'), milliseconds: chunk.milliseconds, amount: chunk.count })
  }

  /** Moves a prefilled request to the end of those who decode. */
  function join(running: Running) {
    const row = decoding.length
    const occupant = prefilling.find((other) => other.row === row)
    if (occupant !== undefined) {
      decoder.swapRows(running.row, row, Math.max(running.position, occupant.position))
      occupant.row = running.row
    } else if (running.row !== row) {
      decoder.copyRow(running.row, row, running.position)
    }
    running.row = row
    decoding.push(running)
  }

  /** Stores what a row that leaves holds: all but the last token drawn, which was never fed. */
  function remember(running: Running) {
    const { adapter, wants, request, answer, position } = running
    const tokens = [...request.prompt, ...answer]
    const isStored = reader.keep(running, tokens.slice(0, position)) === position
    // Where there is no room for it, there is no use in reading it again either.
    // An adapter may be gone by the time that there is nothing else to do.
    if (wants === 'exact' && isStored && adapter === null) rereads.add({ adapter, tokens })
  }

  /** Takes a row out; the last one moves into the gap. */
  function leave(row: number) {
    const leaving = decoding[row]
    leaving?.bound?.close()
    if (leaving !== undefined) remember(leaving)
    const last = decoding.pop()
    if (last === undefined || last.row === row) return
    decoder.copyRow(last.row, row, last.position)
    last.row = row
    decoding[row] = last
  }

  async function runStep() {
    const step = emptyReport('decode')
    await drawLate(step)
    if (decoding.every(({ undrawn }) => undrawn !== null)) return send(step)
    const live = [...decoding]
    const tokens: number[] = []
    const positions: number[] = []
    for (const { answer, position, request } of live) {
      tokens.push(answer[position - request.prompt.length] ?? FILLER)
      positions.push(position)
    }
    if (leavesOneAlone(live.length) && live.some(({ wants }) => wants === 'exact')) {
      tokens.push(FILLER)
      // A row that prefills is overwritten here by its next chunk anyway; a free one holds nothing.
      positions.push(prefilling.find(({ row }) => row === live.length)?.position ?? 0)
    }
    const started = now()
    const adapters = live.map(({ adapter }) => adapter)
    const logits = await decoder.decode(tokens.length, tokens, positions, adapters)
    step.milliseconds = now() - started
    step.amount = live.length
    const { vocabSize } = decoder.config
    for (const running of live) {
      // It was fed a filler, which its next token overwrites.
      if (running.undrawn !== null) continue
      running.position++
      if (running.answer.length === running.replayed) running.timings.replayed(step.milliseconds)
      // Still replaying: the next token is known.
      if (running.position - running.request.prompt.length < running.answer.length) continue
      if (cancelled.has(running.request.id)) continue
      advance(running, logits.subarray(running.row * vocabSize, (running.row + 1) * vocabSize), step)
    }
    send(step)
  }

  /** Rows whose grammar was not ready at their last run: draws for those that are, and waits only if nobody else has anything to do. */
  async function drawLate(step: StepReport) {
    const late = () => decoding.filter(({ undrawn }) => undrawn !== null)
    const waits = late()
    if (waits.length > 0 && waits.length === decoding.length && prefilling.length === 0) {
      await Promise.race([arrival.promise, ...waits.map(({ bound }) => bound?.ready())])
      arrival = Promise.withResolvers<void>()
    }
    for (const running of late()) {
      if (running.undrawn !== null && !cancelled.has(running.request.id)) advance(running, running.undrawn, step)
    }
    dropCancelled()
  }

  /** Draws the next token of the answer; an answer that has ended leaves before the next run. */
  function advance(running: Running, logits: Float32Array, step: StepReport) {
    const { bound, request, answer, replayed, timings } = running
    timings.couldDraw()
    const allowed = bound?.mask() ?? null
    if (allowed === 'waiting') {
      running.undrawn ??= logits.slice()
      return
    }
    running.undrawn = null
    if (allowed === 'failed') {
      step.failed = [...(step.failed ?? []), request.id]
      cancelled.add(request.id)
      return
    }
    running.allowed = allowed
    const hasEnded = drawToken(running, logits, step)
    if (answer.length === replayed + 1) step.begun = [...(step.begun ?? []), [request.id, timings.close()]]
    if (hasEnded) cancelled.add(request.id)
    else bound?.accept(answer.at(-1) ?? FILLER)
  }

  function send(step: StepReport) {
    // What ended leaves now, so that the numbers tell of the rows that are really taken.
    dropCancelled()
    step.waiting = waiting.length
    step.prefilling = prefilling.length
    step.decoding = decoding.length
    step.storedBytes = store.usage().bytes
    options.report(step)
  }

  function cancel(id: number) {
    cancelled.add(id)
    arrival.resolve()
  }

  return { submit, cancel, failed: failure.promise }
}

function emptyReport(kind: StepReport['kind']): StepReport {
  const lists = { tokens: [], cached: [], ended: [] }
  return { kind, milliseconds: 0, amount: 0, ...lists, waiting: 0, prefilling: 0, decoding: 0, storedBytes: 0 }
}

function removeAll<Item>(list: Item[], isGone: (item: Item) => boolean) {
  for (let index = list.length - 1; index >= 0; index--) {
    const item = list[index]
    if (item !== undefined && isGone(item)) list.splice(index, 1)
  }
}
