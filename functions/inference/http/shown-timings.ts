/** What the first token of an answer waited for, as a stream's closing event shows it to whoever asked with `perigee.timings`. */
import type { FirstTokenTimings } from '../engine/first-token-timings.ts'

export type ShownTimings = {
  [Name in keyof typeof NAMES as (typeof NAMES)[Name]]: number
}

const NAMES = {
  firstTokenMs: 'first_token_ms',
  promptTokens: 'prompt_tokens',
  promptMs: 'prompt_ms',
  replayedTokens: 'replayed_tokens',
  replayMs: 'replay_ms',
  othersMs: 'others_ms',
  maskMs: 'mask_ms',
} as const satisfies Record<keyof FirstTokenTimings, string>

/** Nothing where no token had to be drawn. */
export function shownTimings(timings: FirstTokenTimings | undefined): { perigee?: { timings: ShownTimings } } {
  if (timings === undefined) return {}
  const { firstTokenMs, promptTokens, promptMs, replayedTokens, replayMs, othersMs, maskMs } = timings
  return {
    perigee: {
      timings: {
        ...{ first_token_ms: firstTokenMs, prompt_tokens: promptTokens, prompt_ms: promptMs },
        ...{ replayed_tokens: replayedTokens, replay_ms: replayMs, others_ms: othersMs, mask_ms: maskMs },
      },
    },
  }
}
