/**
 * Reads a response's body, as it comes or in larger pieces. On workerd a read gives one HTTP chunk, servers send one chunk per token,
 * and each step into JavaScript costs several times what parsing a token does. So while a model is fast, the platform gathers.
 */

/**
 * A read waits for what will come within `windowMs` at the slowest pace of late, but never for more than `bytesMax`. The first one, before
 * any pace is known, waits for `firstBytes`.
 */
export type Gathering = { windowMs: number; bytesMax: number; firstBytes: number }

/**
 * For callers who wait for the whole answer. No read waits for more than 100 ms at the pace of late, so to be
 * taken for stalled (10 s between tokens, as configured by default) a model must become a hundred times slower from one read to the next, or
 * take more than 3 s for each of its first tokens.
 */
export const GATHER_WHOLE: Gathering = { windowMs: 100, bytesMax: 65_536, firstBytes: 512 }

/**
 * For callers who stream: less than two frames of a screen. When a model pauses, what it said in as short a time before waits for the end
 * of the pause; the bytes bound that where the pace says nothing, as when a whole answer comes at once.
 */
export const GATHER_STREAM: Gathering = { windowMs: 25, bytesMax: 8_192, firstBytes: 1 }

export type ByteReader = {
  /**
   * Undefined at the end; else bytes that are good until the next read. Rejects when the connection breaks or its signal is aborted;
   * then there is nothing to free.
   */
  read(gathering?: Gathering): Promise<Uint8Array | undefined>
  /** Whether the end has come already, with the last bytes. Absent where only the next read can tell. */
  isOver?(): boolean
}

/** An HTTP chunk is rarely larger, and the platform's own reads have this size. */
const READ_BYTES = 4_096

/** `now` in milliseconds. */
export function byteReader(body: ReadableStream<Uint8Array>, now: () => number = Date.now): ByteReader {
  const gathering = gatheringReaderOf(body)
  if (!gathering) return { read: plainReads(body) }
  let atLeastBytes = 1
  let hasPace = false
  let ended = false
  let lastReadAt = now()
  /** Of late, in milliseconds per byte. At first as slow as one token in a quarter of a second: the first two often come together. */
  let slowestPace = 1
  // One piece of memory for all reads: the platform takes it away and gives it back. New memory for each costs more than the read.
  let space = spare.pop() ?? new Uint8Array(READ_BYTES)
  return {
    isOver: () => ended,
    async read(policy) {
      if (ended) return undefined
      if (!policy) atLeastBytes = 1
      else if (!hasPace) atLeastBytes = policy.firstBytes
      if (space.byteLength < atLeastBytes) space = new Uint8Array(2 * atLeastBytes)
      const { value, done } = await gathering.readAtLeast(atLeastBytes, space)
      const bytes: Uint8Array<ArrayBuffer> | undefined = value
      // The last bytes may come together with the end.
      ended = done
      if (!bytes || bytes.byteLength === 0) {
        ended = true
        if (bytes && spare.length < SPARE_MAX) spare.push(new Uint8Array(bytes.buffer))
        return undefined
      }
      space = new Uint8Array(bytes.buffer)
      const readAt = now()
      if (policy) {
        hasPace = true
        slowestPace = Math.max((readAt - lastReadAt) / bytes.byteLength, slowestPace / 2)
        atLeastBytes = Math.min(Math.max(Math.floor(policy.windowMs / slowestPace), 1), policy.bytesMax)
      }
      lastReadAt = readAt
      return bytes
    },
  }
}

/** Memory of readers that are done, for those that come: a new piece for each request is what the collector then has to find. */
const spare: Uint8Array<ArrayBuffer>[] = []
const SPARE_MAX = 64

/** A body that JavaScript made has no side inside the platform, so there is nothing to gain; a test's, for one. */
function gatheringReaderOf(body: ReadableStream<Uint8Array>): ReadableStreamBYOBReader | undefined {
  try {
    return body.getReader({ mode: 'byob' })
  } catch {
    return undefined
  }
}

function plainReads(body: ReadableStream<Uint8Array>): () => Promise<Uint8Array | undefined> {
  const reader = body.getReader()
  return async () => (await reader.read()).value
}
