/** Aborts what uses its signal when it was not restarted in time, and remembers why. */
export class Watchdog {
  reason: string | null = null
  readonly #controller = new AbortController()
  #timer: NodeJS.Timeout | undefined

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  restart(ms: number, reason: string): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.reason = reason
      this.#controller.abort()
    }, ms)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}

/** fetch says only "fetch failed"; the cause has the reason. */
export function reasonOfFetch(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message || cause.name : String(cause)
}
