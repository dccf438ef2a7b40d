/**
 * The time-outs of one call on one timer: a limit for the wait under way, within a total for all of it. Moving the limit later,
 * which happens at every read, costs no timer: when the timer fires it looks whether the limit has moved, and waits for the rest.
 */

export type Deadline = {
  /** A wait begins: at most `ms` from now, and never beyond the total. */
  wait(ms: number): void
  /** The wait is over. The total goes on: a reader who is slow is not the endpoint's fault, but must end some day. */
  pause(): void
  /** Nothing expires any more. */
  stop(): void
}

/** `onExpire` is called once at most. All times in milliseconds. */
export function deadline(options: { totalMs: number; onExpire: () => void; now?: () => number }): Deadline {
  const { totalMs, onExpire, now = Date.now } = options
  let endsAt = now() + totalMs
  let expiresAt = endsAt
  let timer: ReturnType<typeof setTimeout> | undefined
  let timerFiresAt = Number.POSITIVE_INFINITY

  function arm(at: number): void {
    if (timer !== undefined) clearTimeout(timer)
    timerFiresAt = at
    timer = setTimeout(fire, at - now())
  }

  function fire(): void {
    timer = undefined
    timerFiresAt = Number.POSITIVE_INFINITY
    if (expiresAt === Number.POSITIVE_INFINITY) return
    if (now() < expiresAt) {
      arm(expiresAt)
      return
    }
    stop()
    onExpire()
  }

  function stop(): void {
    if (timer !== undefined) clearTimeout(timer)
    timer = undefined
    timerFiresAt = endsAt = expiresAt = Number.POSITIVE_INFINITY
  }

  return {
    wait(ms) {
      if (endsAt === Number.POSITIVE_INFINITY) return
      expiresAt = Math.min(now() + ms, endsAt)
      if (expiresAt < timerFiresAt) arm(expiresAt)
    },
    pause() {
      expiresAt = endsAt
    },
    stop,
  }
}
