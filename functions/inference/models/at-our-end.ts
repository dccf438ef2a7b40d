/** What must be done when this process ends, also by a signal: Node leaves children and half-written folders behind. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** @param action is synchronous. @returns what to call when it is no longer needed */
export function atOurEnd(action: () => void): () => void {
  const onSignal = (signal: NodeJS.Signals) => {
    action()
    release()
    // A listener keeps the signal from its work; others here have their own plan, such as answers that may end.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  }
  const release = () => {
    process.off('exit', action)
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
  process.on('exit', action)
  for (const signal of SIGNALS) process.on(signal, onSignal)
  return release
}
