/**
 * What a request waited for until the first token of its own, counted and timed while it happens: what it had computed, what ran for
 * others meanwhile, and whether its grammar was late. So an answer that goes on elsewhere can be held to its prompt and its replay on a
 * machine whose pace changes from second to second. What is in none of the parts went by in copying, in messages, or in waiting.
 */
import type { Decoder } from './decoder.ts'
import type { DrawToken } from './draw-token.ts'

export type FirstTokenTimings = {
  /** From when the engine's process had the request to its first token; so are all others. */
  firstTokenMs: number
  /** Of the prompt, computed and not taken from the cache. */
  promptTokens: number
  promptMs: number
  /** Steps that it was fed a token which it brought along. */
  replayedTokens: number
  replayMs: number
  /** Runs that it had no part in, and drawing for others. */
  othersMs: number
  /** From the logits of its first token until its grammar said which it may be. */
  maskMs: number
}

export type OpenTimings = {
  read(tokens: number, milliseconds: number): void
  replayed(milliseconds: number): void
  /** The logits are there; only the first call counts. */
  couldDraw(): void
  /** The first token is drawn, after `couldDraw`. */
  close(): FirstTokenTimings
}

export type RunClock = {
  now(): number
  /** Milliseconds of all runs and of all drawing so far, what is under way included. */
  busyMs(): number
}

/** The same, and a clock that runs while one of them does. */
export function timeRuns<Timed extends Pick<Decoder, 'prefill' | 'decode'>>(
  decoder: Timed,
  drawToken: DrawToken,
  now: () => number,
): { decoder: Timed; drawToken: DrawToken; clock: RunClock } {
  let busy = 0
  let since: number | null = null
  async function timed<Result>(run: () => Promise<Result>): Promise<Result> {
    since = now()
    try {
      return await run()
    } finally {
      busy += now() - since
      since = null
    }
  }
  return {
    decoder: {
      ...decoder,
      prefill: (chunk) => timed(() => decoder.prefill(chunk)),
      decode: (...rows) => timed(() => decoder.decode(...rows)),
    },
    drawToken(...asked) {
      const started = now()
      const hasEnded = drawToken(...asked)
      busy += now() - started
      return hasEnded
    },
    clock: { now, busyMs: () => busy + (since === null ? 0 : now() - since) },
  }
}

/** From now on. */
export function openTimings(clock: RunClock): OpenTimings {
  const began = clock.now()
  const busyBefore = clock.busyMs()
  const sums = { promptTokens: 0, promptMs: 0, replayedTokens: 0, replayMs: 0 }
  let logitsAt: number | null = null
  let othersMs = 0
  return {
    read(tokens, milliseconds) {
      sums.promptTokens += tokens
      sums.promptMs += milliseconds
    },
    replayed(milliseconds) {
      sums.replayedTokens++
      sums.replayMs += milliseconds
    },
    couldDraw() {
      if (logitsAt !== null) return
      logitsAt = clock.now()
      othersMs = clock.busyMs() - busyBefore - sums.promptMs - sums.replayMs
    },
    close() {
      const drawnAt = clock.now()
      // What ran is timed a little further within than the clock runs.
      return {
        firstTokenMs: drawnAt - began,
        ...sums,
        othersMs: Math.max(0, othersMs),
        maskMs: drawnAt - (logitsAt ?? drawnAt),
      }
    },
  }
}
