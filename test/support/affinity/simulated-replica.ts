/**
 * A replica as routing meets it: slots, a queue in front of them, and the real prefix store (functions/inference), which holds as many
 * tokens as are said and evicts as it does in the engine. Keys and values are one number a token, and nothing is copied.
 */
import { BLOCK_TOKENS, createPrefixStore } from '../../../functions/inference/engine/prefix-store.ts'

export type SimulatedRequest = {
  prompt: readonly number[]
  answer: readonly number[]
  arrivedMs: number
  /** Told with the last token. */
  onEnd(served: Served, endMs: number): void
}
export type Served = { cachedTokens: number; waitMs: number; firstTokenMs: number }

/** Of a small model on two cores, roughly; only the ratio of reading to writing matters. */
const READ_MS_PER_TOKEN = 1
const WRITE_MS_PER_TOKEN = 10

export type SimulatedReplica = {
  inFlight(): number
  /** How many of its tokens would not have to be read. */
  cachedTokens(prompt: readonly number[]): number
  take(request: SimulatedRequest, nowMs: number): void
  busyMs(): number
}

export function simulatedReplica(
  slots: number,
  cacheTokens: number,
  at: (ms: number, call: (nowMs: number) => void) => void,
): SimulatedReplica {
  const blockBytes = BLOCK_TOKENS * Float32Array.BYTES_PER_ELEMENT
  const store = createPrefixStore(
    { tokenFloats: 1, saveTokens() {}, loadTokens() {} },
    Math.floor(cacheTokens / BLOCK_TOKENS) * blockBytes,
  )
  const waiting: SimulatedRequest[] = []
  let running = 0
  let busyMs = 0
  // The last token of a prompt is always computed: it gives the first of the answer.
  const find = (prompt: readonly number[]) => store.find(null, prompt, prompt.length - 1, 'any')

  function start(nowMs: number): void {
    const request = running < slots ? waiting.shift() : undefined
    if (request === undefined) return
    running++
    const { prompt, answer } = request
    const prefix = find(prompt)
    store.load(prefix, 0, 0, prefix.length)
    const waitMs = nowMs - request.arrivedMs
    const readMs = (prompt.length - prefix.length) * READ_MS_PER_TOKEN
    const writeMs = answer.length * WRITE_MS_PER_TOKEN
    busyMs += readMs + writeMs
    at(nowMs + readMs, () => store.save(null, prompt, 0, 0))
    at(nowMs + readMs + writeMs, (endMs) => {
      running--
      store.save(null, [...prompt, ...answer], 0, 0)
      request.onEnd({ cachedTokens: prefix.length, waitMs, firstTokenMs: waitMs + readMs + WRITE_MS_PER_TOKEN }, endMs)
      start(endMs)
    })
  }

  return {
    inFlight: () => running + waiting.length,
    cachedTokens: (prompt) => find(prompt).length,
    take(request, nowMs) {
      waiting.push(request)
      start(nowMs)
    },
    busyMs: () => busyMs,
  }
}
