/**
 * Server-sent events to one caller. Headers go out at once; until the first event a comment says every two seconds that the request is
 * alive. What a slow reader has not fetched is kept, so that the engine's slot is free as soon as the answer is complete, but only so
 * much and so long: beyond either bound the connection is cut, which counts as a hang-up. What is sent in one turn of the event loop (several
 * tokens, the end of an answer) goes out as one piece, because readers pay for each.
 */
import type { ServerResponse } from 'node:http'
import { WAITING_COMMENT_EVERY_MS } from '../../../src/contract/inference-wire.ts'

/** An event is about 300 bytes: more than a reader ever misses who is merely slow. */
const UNSENT_BYTES_MAX = 1024 * 1024
/** A connection on which nothing moves for so long is dead, whatever TCP says. */
const STALLED_MAX_MS = 30_000

export type EventStream = {
  send(event: unknown): void
  /** After the last event. */
  done(): void
  /** Ends without `[DONE]`: the answer is not complete. */
  fail(event: unknown): void
}

export function openEventStream(response: ServerResponse, waitingEveryMs = WAITING_COMMENT_EVERY_MS): EventStream {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    // Proxies of the nginx family would collect the events otherwise.
    'x-accel-buffering': 'no',
  })
  response.flushHeaders()
  const waiting = setInterval(() => response.write(': waiting\n\n'), waitingEveryMs)
  let stalled: NodeJS.Timeout | undefined

  let unwritten = ''

  function write(text: string) {
    clearInterval(waiting)
    if (unwritten === '') queueMicrotask(flush)
    unwritten += text
  }

  function flush() {
    const text = unwritten
    unwritten = ''
    if (text === '' || response.destroyed) return
    if (response.writableLength > UNSENT_BYTES_MAX) return response.destroy()
    // Called when these bytes have left: something moves.
    if (response.write(text, () => stalled?.refresh()) || stalled !== undefined) return
    stalled = setTimeout(() => response.destroy(), STALLED_MAX_MS)
    response.once('drain', () => {
      clearTimeout(stalled)
      stalled = undefined
    })
  }

  response.once('close', () => {
    clearInterval(waiting)
    clearTimeout(stalled)
  })
  const line = (event: unknown) => `data: ${JSON.stringify(event)}\n\n`
  return {
    send: (event) => write(line(event)),
    done() {
      write('data: [DONE]\n\n')
      flush()
      response.end()
    },
    fail(event) {
      write(line(event))
      flush()
      response.end()
    },
  }
}
