/**
 * How one request wakes another in the same isolate. On workerd a request must not wait for a promise that another one made: each waits
 * for its own, and whoever has news resolves it; the platform then goes on in the request that waits. A request that waits for nothing
 * of the platform's is taken for hung and cancelled, so that who waits must also keep a timer.
 */
export type Bell = {
  /** Wakes whoever waits now. Nobody: nothing happens. */
  ring(): void
  /** Resolves at the next ring. For one waiter; look at the state that is waited for right before, with nothing awaited between. */
  rung(): Promise<void>
}

export function bell(): Bell {
  let wake = () => {}
  return {
    ring: () => wake(),
    rung: () =>
      new Promise((resolve) => {
        wake = resolve
      }),
  }
}
