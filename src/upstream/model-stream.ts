/**
 * From an event stream's bytes to model events: one batch per read of the network, the finish rule, the time-outs. An answer is
 * complete when every choice has its finish reason; whatever ends the stream before that is an error.
 */
import type { ModelEvent, ModelEventStream, Timeouts } from '../chat/ports.ts'
import { AppError } from '../errors.ts'
import type { ByteReader, Gathering } from './byte-reader.ts'
import type { Deadline } from './deadline.ts'
import { parseModelEvent, type ReadEvent } from './model-event.ts'
import { type SseBatch, sseDecoder } from './sse-decode.ts'
import { errorFromStatus, statusOfErrorEvent } from './upstream-error.ts'

/** After the last finish reason only usage and `[DONE]` can come. Some servers send neither and keep the connection. */
const AFTER_FINISH_MS = 1_000

type Options = {
  bytes: ByteReader
  /** How to read once the answer has begun. Undefined: as it comes. */
  gathering: Gathering | undefined
  /** Of protocols that are not OpenAI's. */
  readEvent?: ReadEvent | undefined
  timeouts: Timeouts
  /** How many choices were asked for. */
  choices: number
  limit: Deadline
  /** Why the connection was given up, if it was. */
  reason: () => AppError | undefined
  /** Gives the connection up, which stops the model. */
  close: () => void
  /** Frees timers and listeners; called once the stream is over, however it ended. */
  release: () => void
}

/** Resolves with the first events in hand. Rejects with an AppError. */
export async function modelStream(options: Options): Promise<ModelEventStream> {
  const { timeouts, limit } = options
  const decoder = sseDecoder()
  const { readEvent = openAiEvents(options.choices) } = options
  const unfinished = new Set(Array.from({ length: options.choices }, (_, index) => index))
  const openedAt = Date.now()
  let firstTokenBy = openedAt + timeouts.firstToken
  /** All choices are finished since; undefined while one is not. */
  let finishedBy: number | undefined
  let begun = false
  let over = false
  /** What came after good events in the same read: they are delivered first. */
  let failure: AppError | undefined

  /** The next events, or undefined when the answer is complete. */
  async function nextBatch(): Promise<readonly ModelEvent[] | undefined> {
    // Once for all that comes after the finish, or a server that chatters on would hold the caller's end back.
    if (unfinished.size === 0) finishedBy ??= Date.now() + AFTER_FINISH_MS
    const nextTokenBy = finishedBy ?? Date.now() + timeouts.betweenTokens
    while (!over) {
      if (failure) throw failure
      if (finishedBy !== undefined && Date.now() >= finishedBy) return undefined
      limit.wait((begun ? nextTokenBy : firstTokenBy) - Date.now())
      const bytes = await read()
      if (bytes === undefined) {
        if (unfinished.size > 0) throw interrupted()
        return undefined
      }
      const batch = decode(bytes)
      const events = take(batch)
      if (events.length > 0) {
        begun = true
        limit.pause()
        return events
      }
      if (batch.commented) {
        firstTokenBy = Math.min(Date.now() + timeouts.firstToken, openedAt + timeouts.firstTokenWhileWaiting)
      }
    }
    return undefined
  }

  /** Undefined at the end of the body, and when nothing came after the finish reason. */
  async function read(): Promise<Uint8Array | undefined> {
    try {
      return await options.bytes.read(begun ? options.gathering : undefined)
    } catch (cause) {
      const reason = options.reason()
      if (unfinished.size === 0 && reason?.code !== 'caller_gone') return undefined
      throw reason ?? interrupted(cause)
    }
  }

  function decode(bytes: Uint8Array): SseBatch {
    try {
      return decoder.push(bytes)
    } catch (cause) {
      if (unfinished.size > 0) throw unreadable(cause)
      finishedBy = 0
      return { data: [], commented: false }
    }
  }

  function take(batch: SseBatch): ModelEvent[] {
    const events: ModelEvent[] = []
    for (const data of batch.data) {
      const parsed = readEvent(data)
      if (parsed.kind === 'done') {
        if (unfinished.size > 0) failure = interrupted()
        else over = true
        break
      }
      if (parsed.kind === 'silent') continue
      if (parsed.kind === 'events') {
        for (const index of parsed.finishedChoices) unfinished.delete(index)
        events.push(...parsed.events)
        continue
      }
      if (parsed.kind === 'event') {
        for (const index of parsed.finishedChoices) unfinished.delete(index)
        events.push(parsed.event)
        continue
      }
      if (unfinished.size === 0) {
        // The answer is whole: what is wrong with the rest is nobody's trouble.
        finishedBy = 0
        break
      }
      failure = parsed.kind === 'malformed' ? unreadable() : reported(parsed.body)
      break
    }
    if (failure && events.length === 0) throw failure
    return events
  }

  function reported(body: unknown): AppError {
    return begun ? interrupted() : errorFromStatus(statusOfErrorEvent(body), body)
  }

  /** After `[DONE]`: reads the end of the body, so that the connection can serve the next request. */
  function drain(): void {
    // No time-out for what is there.
    if (options.bytes.isOver?.()) {
      options.release()
      return
    }
    limit.wait(AFTER_FINISH_MS)
    options.bytes.read().then(
      (more) => {
        if (more) options.close()
        options.release()
      },
      () => options.release(),
    )
  }

  let first = await nextBatch()
  if (first === undefined) throw interrupted()

  const iterator: AsyncIterator<readonly ModelEvent[], undefined> = {
    async next() {
      if (first) {
        const value = first
        first = undefined
        return { done: false, value }
      }
      try {
        const value = await nextBatch()
        if (value) return { done: false, value }
      } catch (thrown) {
        options.close()
        options.release()
        throw thrown
      }
      if (over) drain()
      else {
        options.close()
        options.release()
      }
      return { done: true, value: undefined }
    },
    async return() {
      options.close()
      options.release()
      return { done: true, value: undefined }
    },
  }
  return { [Symbol.asyncIterator]: () => iterator }
}

function interrupted(cause?: unknown): AppError {
  return new AppError('upstream_interrupted', 'The model stopped in the middle of its answer.', { cause })
}

function unreadable(cause?: unknown): AppError {
  return new AppError('upstream_interrupted', 'The answer of the model cannot be read.', { cause })
}

const DONE = { kind: 'done' } as const

function openAiEvents(choices: number): ReadEvent {
  return (data) => (data === '[DONE]' ? DONE : parseModelEvent(data, choices))
}
