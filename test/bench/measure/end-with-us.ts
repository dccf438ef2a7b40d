/** Children must not outlive a bench that is interrupted; one that stands still (SIGSTOP) would not even notice the Ctrl-C. */
import type { ChildProcess } from 'node:child_process'

const children = new Set<ChildProcess>()

/** Kills the child when this process ends, however it ends short of SIGKILL. */
export function endWithUs(child: ChildProcess): void {
  listen()
  children.add(child)
  child.once('exit', () => children.delete(child))
}

let listening = false
function listen(): void {
  if (listening) return
  listening = true
  process.on('exit', () => {
    for (const child of children) child.kill('SIGKILL')
  })
  // Without a listener these end the process without 'exit'.
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ] as const) {
    process.on(signal, () => process.exit(128 + number))
  }
}
