/**
 * Reads a response's body, as it comes or in larger pieces. On workerd a read gives one HTTP chunk, servers send one chunk per token,
 * and each step into JavaScript costs several times what parsing a token does. So while a model is fast, the platform gathers.
 */

/**
 * How much a read may wait for. After a read that took less than `quickMs` the next waits for four times as much, up to `bytesMax`;
 * after one that took `slowMs` it takes whatever comes.
 */
export type Gathering = { quickMs: number; slowMs: number; bytesMax: number }

/**
 * For callers who wait for the whole answer: about 30 tokens. A stall is still seen in time: to be taken for one, a model must become
 * twenty-five times slower from one read to the next.
 */
export const GATHER_WHOLE: Gathering = { quickMs: 100, slowMs: 1_000, bytesMax: 8_192 }

/** For callers who stream: about 4 tokens, and only of a model that makes over 200 a second, so that nobody sees it. */
export const GATHER_STREAM: Gathering = { quickMs: 5, slowMs: 5, bytesMax: 1_024 }

export type ByteReader = {
  /**
   * Undefined at the end; else bytes that are good until the next read. Rejects when the connection breaks or its signal is aborted;
   * then there is nothing to free.
   */
  read(gathering?: Gathering): Promise<Uint8Array | undefined>
}

/** An HTTP chunk is rarely larger, and the platform's own reads have this size. */
const READ_BYTES = 4_096

/** From one token to the bound in a few steps. */
const GROWTH = 4

/** `now` in milliseconds. */
export function byteReader(body: ReadableStream<Uint8Array>, now: () => number = Date.now): ByteReader {
  const gathering = gatheringReaderOf(body)
  if (!gathering) return { read: plainReads(body) }
  let atLeastBytes = 1
  // One piece of memory for all reads: the platform takes it away and gives it back. New memory for each costs more than the read.
  let space = new Uint8Array(READ_BYTES)
  return {
    async read(policy) {
      if (!policy) atLeastBytes = 1
      const startedAt = now()
      if (space.byteLength < atLeastBytes) space = new Uint8Array(2 * atLeastBytes)
      // Not `done`: the last bytes may come together with the end.
      const { value } = await gathering.readAtLeast(atLeastBytes, space)
      const bytes: Uint8Array<ArrayBuffer> | undefined = value
      if (!bytes || bytes.byteLength === 0) return undefined
      space = new Uint8Array(bytes.buffer)
      if (policy) {
        const tookMs = now() - startedAt
        if (tookMs < policy.quickMs) atLeastBytes = Math.min(GROWTH * bytes.byteLength, policy.bytesMax)
        else if (tookMs >= policy.slowMs) atLeastBytes = 1
      }
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
