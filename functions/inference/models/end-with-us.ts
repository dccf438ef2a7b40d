/** A child that is of no use without this process ends with it, also when a signal ends it: Node leaves children behind. */
import type { ChildProcess } from 'node:child_process'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** @returns what to call when the child has ended */
export function endWithUs(child: ChildProcess): () => void {
  const kill = () => child.kill('SIGKILL')
  const onSignal = (signal: NodeJS.Signals) => {
    kill()
    release()
    // A listener keeps the signal from its work; others here have their own plan, such as answers that may end.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  }
  const release = () => {
    process.off('exit', kill)
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
  process.on('exit', kill)
  for (const signal of SIGNALS) process.on(signal, onSignal)
  return release
}
