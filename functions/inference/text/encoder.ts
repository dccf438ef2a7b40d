/**
 * Text to token ids without keeping others waiting: what was encoded before is remembered, piece by piece; short texts are encoded at once,
 * long ones on a thread of their own, in order. The thread is started for the first long text, and again for the next one after it died;
 * only the text that it was at gets an error.
 */
import { Worker } from 'node:worker_threads'
import { createEncodedPieces } from './encoded-pieces.ts'
import { SHIELD } from './shield-special-tokens.ts'
import type { EncodeOptions, Tokenizer } from './tokenizer.ts'

export type Encoder = {
  /** A text whose signal aborts while it waits is `dropped`: nobody wants it any more. */
  encode(text: string, options: EncodeOptions, signal?: AbortSignal): Promise<Encoded>
  /** Ends the thread; what waits for it is `stopped`. */
  stop(): Promise<void>
}

/** `full`: too many texts wait. `failed`: this text could not be encoded, or the thread died of it. */
export type Encoded =
  | { ok: true; ids: number[] }
  | { ok: false; reason: 'full' }
  | { ok: false; reason: 'stopped' }
  | { ok: false; reason: 'dropped' }
  | { ok: false; reason: 'failed'; message: string }

export type EncodeRequest = { text: string; options: EncodeOptions }
export type EncodeReply = { ok: true; ids: number[] } | { ok: false; message: string }

type Waiting = { request: EncodeRequest; settle: (encoded: Encoded) => void }

/** UTF-16 code units. Random letters, the slowest text that we know, take 10 to 30 µs each: 35 ms for a text of this length. */
export const INLINE_CHARS_MAX = 4_096
/** Texts, the one being encoded included. Of the longest that a context of 4,096 tokens lets in, each takes about half a second if it is hostile, 0.1 s if not. */
export const LONG_TEXTS_MAX = 64

/** Of remembered pieces: about as many as fill a context of a million tokens. */
const REMEMBERED_CHARS_MAX = 4 * 2 ** 20

const ENCODE_WORKER = new URL('./encode-worker.ts', import.meta.url)

/** @param workerFile another than our own, for tests: gets EncodeRequests and answers each with one EncodeReply */
export function createEncoder(folder: string, tokenizer: Tokenizer, workerFile: URL = ENCODE_WORKER): Encoder {
  /** The first is with the thread, if there is one. */
  const waiting: Waiting[] = []
  const remembered = createEncodedPieces(REMEMBERED_CHARS_MAX)
  let worker: Worker | null = null
  let isStopped = false

  function sendFirst() {
    const first = waiting[0]
    if (first === undefined) return
    worker ??= start()
    worker.postMessage(first.request)
  }

  /** Null where so much is new that it would hold up others. */
  function encodeHere(pieces: readonly string[], options: EncodeOptions): number[] | null {
    const known = pieces.map((piece) => ({ piece, ids: remembered.get(piece) }))
    const newChars = known.reduce((sum, { piece, ids }) => sum + (ids === undefined ? piece.length : 0), 0)
    if (newChars > INLINE_CHARS_MAX) return null
    return known.flatMap(({ piece, ids }) => ids ?? rememberedAs(piece, tokenizer.encode(piece, options)))
  }

  function rememberedAs(piece: string, ids: readonly number[]): readonly number[] {
    remembered.set(piece, ids)
    return ids
  }

  /** What the thread has encoded as a whole. */
  function rememberAll(pieces: readonly string[], ids: readonly number[]) {
    const cut = tokenizer.cutter.ids(ids)
    if (cut.length === pieces.length) for (const [at, piece] of pieces.entries()) remembered.set(piece, cut[at] ?? [])
  }

  function encodeThere(request: EncodeRequest, signal: AbortSignal | undefined): Promise<Encoded> {
    return new Promise((settle) => {
      const entry = { request, settle }
      waiting.push(entry)
      if (waiting.length === 1) sendFirst()
      signal?.addEventListener('abort', () => drop(entry), { once: true })
    })
  }

  /** The one that is with the thread stays: its answer comes, and is the next one's otherwise. */
  function drop(entry: Waiting) {
    const at = waiting.indexOf(entry)
    if (at <= 0) return
    waiting.splice(at, 1)
    entry.settle({ ok: false, reason: 'dropped' })
  }

  function settleFirst(encoded: Encoded) {
    waiting.shift()?.settle(encoded)
    sendFirst()
  }

  function start(): Worker {
    const started = new Worker(workerFile, { workerData: { folder } })
    let death = 'The thread that encodes ended.'
    started.on('message', (reply: EncodeReply) => settleFirst(reply.ok ? reply : { ...reply, reason: 'failed' }))
    started.on('error', (error) => {
      death = `The thread that encodes died: ${error instanceof Error ? error.message : String(error)}`
    })
    // Comes last, after an error too.
    started.on('exit', () => {
      if (worker !== started) return
      worker = null
      settleFirst({ ok: false, reason: 'failed', message: death })
    })
    return started
  }

  return {
    async encode(text, options, signal) {
      if (isStopped) return { ok: false, reason: 'stopped' }
      // Marks need a tokenizer of their own, whose vocabulary only the thread has to hold.
      const hasMarks = options.specialTokens === 'unshielded' && text.includes(SHIELD)
      // Where special tokens are plain text, a cut before one could part a word.
      const isPlain = options.specialTokens === false
      const pieces = hasMarks || isPlain ? [] : tokenizer.cutter.text(text)
      if (isPlain && text.length <= INLINE_CHARS_MAX) return { ok: true, ids: tokenizer.encode(text, options) }
      const here = pieces.length === 0 ? null : encodeHere(pieces, options)
      if (here !== null) return { ok: true, ids: here }
      if (waiting.length >= LONG_TEXTS_MAX) return { ok: false, reason: 'full' }
      if (signal?.aborted) return { ok: false, reason: 'dropped' }
      const encoded = await encodeThere({ text, options }, signal)
      if (encoded.ok && pieces.length > 0) rememberAll(pieces, encoded.ids)
      return encoded
    },
    async stop() {
      isStopped = true
      const running = worker
      worker = null
      for (const { settle } of waiting.splice(0)) settle({ ok: false, reason: 'stopped' })
      await running?.terminate()
    },
  }
}
