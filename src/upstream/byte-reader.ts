/**
 * Reads a response's body, as it comes or in larger pieces. On workerd a read gives one HTTP chunk, servers send one chunk per token,
 * and each step into JavaScript costs more than all else that is done with a token. A caller who streams wants that step; for one
 * who waits for the whole answer the platform may gather on its own.
 */

export type ByteReader = {
  /**
   * Undefined at the end. Rejects when the connection breaks or its signal is aborted; then there is nothing to free. `gather` waits
   * for as much as the last reads say will come within a moment, so that a stall is still seen in time: to be taken for one, a model
   * must become fifty times slower from one read to the next.
   */
  read(gather: boolean): Promise<Uint8Array | undefined>
}

/** A read that took less doubles what the next one waits for; one that took more than the second falls back to whatever comes. */
const QUICK_MS = 100
const SLOW_MS = 1_000
/** About 30 tokens. */
const GATHER_BYTES_MAX = 8_192

/** `now` in milliseconds. */
export function byteReader(body: ReadableStream<Uint8Array>, now: () => number = Date.now): ByteReader {
  const gathering = gatheringReaderOf(body)
  if (!gathering) return { read: plainReads(body) }
  let atLeastBytes = 1
  return {
    async read(gather) {
      if (!gather) atLeastBytes = 1
      const startedAt = now()
      const space = new Uint8Array(Math.max(atLeastBytes * 2, 4_096))
      // Not `done`: the last bytes may come together with the end.
      const { value } = await gathering.readAtLeast(atLeastBytes, space)
      const bytes: Uint8Array | undefined = value
      if (!bytes || bytes.byteLength === 0) return undefined
      const tookMs = now() - startedAt
      if (tookMs < QUICK_MS) atLeastBytes = Math.min(2 * bytes.byteLength, GATHER_BYTES_MAX)
      else if (tookMs > SLOW_MS) atLeastBytes = 1
      return bytes
    },
  }
}

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
