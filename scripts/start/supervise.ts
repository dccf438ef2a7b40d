/** Runs a child, restarts it when it crashes and says so, stops it for good on request. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'

/** What Node is to run, and what its environment has beyond ours. */
export type Command = { args: string[]; env: Record<string, string> }

export type Supervised = {
  /** Kills a child that hangs; it is then started again like one that crashed. */
  restart(reason: string): void
  /** SIGTERM, then SIGKILL after the grace period. Resolves when the child is gone. */
  stop(): Promise<void>
  /** True once it was stopped or given up. */
  hasStopped(): boolean
  /** What runs now; undefined between a crash and the next start. `pid` changes with every start. */
  running(): { pid: number; ranForMs: number } | undefined
}

const RESTART_AFTER_MS = 500
const RESTART_AFTER_MS_MAX = 10_000
/** A child that ran this long was healthy: the next crash starts the back-off anew. */
const STEADY_AFTER_MS = 30_000
/** Crashes in a row after which a restart will not help: a wrong setting, a broken build. */
const CRASHES_MAX = 5
const GRACE_MS = 5_000
const GROUP_GRACE_MS = 1_000
const GROUP_LOOK_EVERY_MS = 20
const TAIL_LINES = 15

export function supervise(options: {
  name: string
  command: Command
  logFile: string
  verbose: boolean
  say(line: string): void
  onGiveUp(reason: string): void
}): Supervised {
  const { name, command, say } = options
  const log = createWriteStream(options.logFile, { flags: 'a' })
  const tail: string[] = []
  let child: ChildProcess
  let exited: Promise<void>
  let stopped = false
  let crashes = 0
  let restart: NodeJS.Timeout | undefined
  let startedAt = 0

  const keep = (stream: Readable) => {
    createInterface({ input: stream }).on('line', (line) => {
      log.write(`${line}\n`)
      tail.push(line)
      if (tail.length > TAIL_LINES) tail.shift()
      if (options.verbose) say(`[${name}] ${line}`)
    })
  }

  const run = () => {
    startedAt = performance.now()
    child = spawn(process.execPath, command.args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...command.env },
      // Its own process group: a Ctrl-C in the terminal reaches this program alone, which then stops each child in order.
      detached: true,
    })
    if (child.stdout) keep(child.stdout)
    if (child.stderr) keep(child.stderr)
    exited = new Promise((resolve) => {
      child.once('error', () => resolve())
      child.once('close', (code, signal) => {
        resolve()
        if (stopped) return
        crashes = performance.now() - startedAt > STEADY_AFTER_MS ? 1 : crashes + 1
        const how = signal ? `was killed by ${signal}` : `ended with code ${code}`
        if (crashes >= CRASHES_MAX) {
          stopped = true
          options.onGiveUp(`${name} ${how}, ${crashes} times in a row. Its last lines:\n  ${tail.join('\n  ')}`)
          return
        }
        const waitMs = Math.min(RESTART_AFTER_MS_MAX, RESTART_AFTER_MS * 2 ** (crashes - 1))
        say(`${name} ${how}; restarting in ${waitMs / 1_000} s (log: ${options.logFile})`)
        restart = setTimeout(run, waitMs)
      })
    })
  }
  run()

  return {
    hasStopped: () => stopped,
    running: () =>
      child.pid === undefined || child.exitCode !== null || child.signalCode !== null
        ? undefined
        : { pid: child.pid, ranForMs: performance.now() - startedAt },
    restart(reason) {
      if (stopped) return
      say(`${name} ${reason}`)
      signalGroup(child, 'SIGKILL')
    },
    async stop() {
      stopped = true
      clearTimeout(restart)
      if (child.exitCode === null && child.signalCode === null) {
        signalGroup(child, 'SIGTERM')
        const kill = setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_MS)
        await exited
        clearTimeout(kill)
        await groupGone(child)
      }
      log.end()
    },
  }
}

/** wrangler hands its work to children of its own, which may end a little after it. What is left after a second is killed. */
async function groupGone(child: ChildProcess): Promise<void> {
  const deadline = performance.now() + GROUP_GRACE_MS
  while (signalGroup(child, 0)) {
    if (performance.now() > deadline) {
      signalGroup(child, 'SIGKILL')
      return
    }
    await pause(GROUP_LOOK_EVERY_MS)
  }
}

/** To the whole group, since wrangler's own child would otherwise outlive a killed wrangler. False when nobody is left in it. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals | 0): boolean {
  if (child.pid === undefined) return false
  try {
    return process.kill(-child.pid, signal)
  } catch {
    return false // ESRCH: it is gone already, which is what was wanted.
  }
}
