/** A prompt's tokens as the model's own server counts them, for requests near the end of a budget. */
import type { Demand, TokenCounter } from '../chat/ports.ts'

/** A template may see the model's prompt otherwise than /tokenize does: with a marker more. */
const MARGIN_TOKENS = 8

/** Long counts are for who cannot wait anyway. */
const COUNT_MS = 3_000

export function countPrompt(counter: TokenCounter): (demand: Demand) => Promise<number | undefined> {
  return async ({ alias, request }) => {
    if (request.kind !== 'chat') return undefined
    try {
      const { tokens } = await counter.count(alias, request.body.messages, AbortSignal.timeout(COUNT_MS))
      return tokens + MARGIN_TOKENS
    } catch {
      // The bound holds for whatever cannot be counted.
      return undefined
    }
  }
}
