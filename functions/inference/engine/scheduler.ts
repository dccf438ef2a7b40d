/**
 * Continuous batching: which request runs in which row at which step. Requests wait in one queue, take a slot, are prefilled in
 * chunks, and then advance together by one token per step; a chunk and a step alternate, so neither starves the other.
 * Knows neither processes nor text.
 *
 * The rows of those who decode are always 0..n-1, because one tensor spans them; whoever prefills has a row behind them.
 *
 * Sameness (the answer to a request is a function of the request alone, bit for bit, see README.md) rests on three rules kept here:
 * decode runs have at least two rows, chunks have at least two tokens, and a generated token is always computed by a decode run.
 */
import type { Decoder } from './decoder.ts'
import { createDrawToken, type Drawing, openDrawing } from './draw-token.ts'
import type { BatchInvariant, EngineRequest, StepReport } from './engine-messages.ts'
import type { BoundAnswer, Grammars } from './grammar/grammars.ts'
import type { Sampler } from './sampler.ts'

export type SchedulerOptions = {
  slots: number
  chunkTokens: number
  batchInvariant: BatchInvariant
  /** For requests that have a grammar. */
  grammars?: Pick<Grammars, 'open'>
  /** Called after every run that changed something. */
  report(step: StepReport): void
  now(): number
}

export type Scheduler = {
  submit(request: EngineRequest): void
  /** Forgets a request wherever it is; its row is free before the next run. Unknown ids are ignored: it may just have ended. */
  cancel(id: number): void
  /** Resolves when a run failed, with the reason; the engine is of no use then. */
  failed: Promise<unknown>
}

type Running = Drawing & {
  row: number
  /** Tokens in the row. */
  position: number
  /** What the answer is held to. */
  bound: BoundAnswer | null
  /** Logits from which nothing can be drawn before it is known what may be: the row stands still, the others go on. */
  undrawn: Float32Array | null
}

/** Every so many chunks the request that waits longest is served, so that short prompts cannot starve a long one. */
const OLDEST_EVERY_CHUNKS = 4
/** What an empty row is fed; any token will do. */
const FILLER = 0
/** The kernels for one row differ from those for more in the last bits. */
const ROWS_MIN = 2

/** Rows that a decoder needs for so many slots. */
export const rowsFor = (slots: number): number => Math.max(ROWS_MIN, slots)

export function createScheduler(decoder: Decoder, sampler: Sampler, options: SchedulerOptions): Scheduler {
  const { slots, chunkTokens } = options
  const drawToken = createDrawToken(sampler, decoder.config.eosTokenIds)
  const waiting: EngineRequest[] = []
  const prefilling: Running[] = []
  /** The index is the row. */
  const decoding: Running[] = []
  const cancelled = new Set<number>()
  let chunks = 0
  let busy = false
  /** Of a request or a hang-up, for whom nobody else must be waited for. */
  let arrival = Promise.withResolvers<void>()
  const failure = Promise.withResolvers<unknown>()

  function submit(request: EngineRequest) {
    waiting.push(request)
    arrival.resolve()
    if (busy) return
    busy = true
    loop().catch(failure.resolve)
  }

  async function loop() {
    while (true) {
      dropCancelled()
      admit()
      if (prefilling.length + decoding.length === 0) break
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
    removeAll(waiting, ({ id }) => cancelled.has(id))
    cancelled.clear()
  }

  function admit() {
    while (decoding.length + prefilling.length < slots) {
      const request = waiting.shift()
      if (request === undefined) return
      const { grammar, answer, maxTokens } = request
      // Known before the prompt is read, as a rule.
      const bound = grammar === undefined ? null : (options.grammars?.open(grammar, answer, maxTokens) ?? null)
      prefilling.push({ ...openDrawing(request), row: freeRow(), position: 0, bound, undrawn: null })
    }
  }

  /** The first row behind those who decode that nobody prefills. */
  function freeRow(): number {
    let row = decoding.length
    while (prefilling.some((running) => running.row === row)) row++
    return row
  }

  async function runChunk() {
    const running = nextToPrefill()
    if (running === undefined) return
    const { prompt } = running.request
    const left = prompt.length - running.position
    const started = options.now()
    const logits = await (prompt.length === 1 ? prefillLonely(running) : prefillNext(running, left))
    running.position = Math.min(running.position + chunkLength(left, chunkTokens), prompt.length)
    const step = emptyReport('prefill', options.now() - started, chunkLength(left, chunkTokens))
    if (running.position === prompt.length && !cancelled.has(running.request.id)) {
      prefilling.splice(prefilling.indexOf(running), 1)
      join(running)
      if (running.replayed === 0) advance(running, logits, step)
    }
    send(step)
  }

  /** Shortest remaining prompt first: it answers most callers soonest. Every fourth chunk goes to the oldest. */
  function nextToPrefill(): Running | undefined {
    const turn = chunks++ % OLDEST_EVERY_CHUNKS
    if (turn === OLDEST_EVERY_CHUNKS - 1) return prefilling[0]
    const left = ({ request, position }: Running) => request.prompt.length - position
    return prefilling.reduce<Running | undefined>(
      (best, running) => (best === undefined || left(running) < left(best) ? running : best),
      undefined,
    )
  }

  function prefillNext({ request, row, position }: Running, left: number) {
    const count = chunkLength(left, chunkTokens)
    return decoder.prefill({ row, tokens: request.prompt, start: position, count, position, logits: 'last' })
  }

  /** A prompt of one token gets a filler behind it, which the first generated token overwrites; only position 0 gives logits. */
  async function prefillLonely({ request, row }: Running) {
    const tokens = [request.prompt[0] ?? FILLER, FILLER]
    const logits = await decoder.prefill({ row, tokens, start: 0, count: 2, position: 0, logits: 'all' })
    return logits.subarray(0, decoder.config.vocabSize)
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

  /** Takes a row out; the last one moves into the gap. */
  function leave(row: number) {
    decoding[row]?.bound?.close()
    const last = decoding.pop()
    if (last === undefined || last.row === row) return
    decoder.copyRow(last.row, row, last.position)
    last.row = row
    decoding[row] = last
  }

  async function runStep() {
    const step = emptyReport('decode', 0, 0)
    await drawLate(step)
    if (decoding.every(({ undrawn }) => undrawn !== null)) return send(step)
    const live = [...decoding]
    const tokens: number[] = []
    const positions: number[] = []
    for (const { answer, position, request } of live) {
      tokens.push(answer[position - request.prompt.length] ?? FILLER)
      positions.push(position)
    }
    if (live.length < ROWS_MIN && wantsSameness(live)) {
      tokens.push(FILLER)
      // A row that prefills is overwritten here by its next chunk anyway; a free one holds nothing.
      positions.push(prefilling.find(({ row }) => row === live.length)?.position ?? 0)
    }
    const started = options.now()
    const logits = await decoder.decode(tokens.length, tokens, positions)
    step.milliseconds = options.now() - started
    step.amount = live.length
    const { vocabSize } = decoder.config
    for (const running of live) {
      // It was fed a filler, which its next token overwrites.
      if (running.undrawn !== null) continue
      running.position++
      // Still replaying: the next token is known.
      if (running.position - running.request.prompt.length < running.answer.length) continue
      if (cancelled.has(running.request.id)) continue
      advance(running, logits.subarray(running.row * vocabSize, (running.row + 1) * vocabSize), step)
    }
    send(step)
  }

  const wantsSameness = (live: Running[]) =>
    options.batchInvariant === 'always' ||
    (options.batchInvariant === 'seeded' && live.some(({ request }) => request.sameness))

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
    const { bound, request } = running
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
    if (drawToken(running, logits, step)) cancelled.add(request.id)
    else bound?.accept(running.answer.at(-1) ?? FILLER)
  }

  function emptyReport(kind: StepReport['kind'], milliseconds: number, amount: number): StepReport {
    return { kind, milliseconds, amount, tokens: [], ended: [], waiting: 0, prefilling: 0, decoding: 0 }
  }

  function send(step: StepReport) {
    // What ended leaves now, so that the numbers tell of the rows that are really taken.
    dropCancelled()
    step.waiting = waiting.length
    step.prefilling = prefilling.length
    step.decoding = decoding.length
    options.report(step)
  }

  function cancel(id: number) {
    cancelled.add(id)
    arrival.resolve()
  }

  return { submit, cancel, failed: failure.promise }
}

/** The shortest chunk that may be asked for: one less is still two. */
export const CHUNK_TOKENS_MIN = 3

/** At most `longest` tokens, and never one left over alone: one-token runs use another kernel. `longest` is CHUNK_TOKENS_MIN or more. */
export function chunkLength(left: number, longest: number): number {
  const count = Math.min(left, longest)
  return left - count === 1 ? count - 1 : count
}

function removeAll<Item>(list: Item[], isGone: (item: Item) => boolean) {
  for (let index = list.length - 1; index >= 0; index--) {
    const item = list[index]
    if (item !== undefined && isGone(item)) list.splice(index, 1)
  }
}
