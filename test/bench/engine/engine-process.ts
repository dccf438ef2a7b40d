/**
 * A contender in a process of its own, so that memory, threads and crashes are its own. It stands still (SIGSTOP) while it is not
 * its turn: thread pools of both kinds spin for a while after work, and would slow the other.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { coreTime } from '../measure/cores.ts'
import { endWithUs } from '../measure/end-with-us.ts'
import { cpuMs, processTree, rssMib } from '../measure/process-tree.ts'
import {
  type EngineCell,
  type EngineProgram,
  type EngineSettings,
  type MeasuredEngine,
  tokensOf,
} from './measured-engine.ts'
import type { EngineSample } from './report.ts'

export type EngineProcess = {
  version: string
  measure(cell: EngineCell): Promise<EngineSample>
  rssMib(): number
  stop(): Promise<void>
}

type Reply = { version: string } | { ms: number } | { error: string }

/** Resolves when the model is loaded; the process then stands still. It never leaves `cores`. */
export async function startEngine(
  program: EngineProgram,
  settings: EngineSettings,
  cores: readonly number[],
): Promise<EngineProcess> {
  const file = join(import.meta.dirname, `${program}-engine.ts`)
  const command = ['--cpu-list', cores.join(','), process.execPath, file, JSON.stringify(settings)]
  const child = spawn('taskset', command, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  endWithUs(child)
  const ready = await reply(child)
  if (!('version' in ready)) throw new Error(`${program} did not start: ${JSON.stringify(ready)}`)
  child.kill('SIGSTOP')
  return {
    version: ready.version,
    async measure(cell) {
      child.kill('SIGCONT')
      try {
        const before = reading(child, cores)
        const answer = reply(child)
        child.send(cell)
        const measured = await answer
        const after = reading(child, cores)
        if (!('ms' in measured))
          throw new Error(`${program} failed at ${JSON.stringify(cell)}: ${JSON.stringify(measured)}`)
        const cpu = after.childMs - before.childMs
        const others = after.programsMs - before.programsMs - cpu
        return {
          tokensPerSecond: (tokensOf(cell) / measured.ms) * 1_000,
          cpuMsPerToken: cpu / tokensOf(cell),
          strangers: Math.max(0, others / ((after.wallMs - before.wallMs) * cores.length)),
        }
      } finally {
        child.kill('SIGSTOP')
      }
    },
    rssMib: () => rssMib(processTree(child.pid ?? 0)),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

function reading(child: ChildProcess, cores: readonly number[]) {
  return {
    wallMs: performance.now(),
    programsMs: cores.reduce((sum, core) => sum + coreTime(core).programs, 0),
    childMs: cpuMs(processTree(child.pid ?? 0)),
  }
}

/** Rejects when the process ends instead of answering. */
async function reply(child: ChildProcess): Promise<Reply> {
  const over = new AbortController()
  const { signal } = over
  try {
    return await Promise.race([
      // Sound: the only sender is serveEngine below.
      once(child, 'message', { signal }).then(([message]) => message as Reply),
      once(child, 'exit', { signal }).then(([code, killed]) => ({ error: `it ended with ${code ?? killed}` })),
    ])
  } finally {
    over.abort()
  }
}

/** The other side: loads the engine with the settings of the command line, then answers one cell at a time. */
export async function serveEngine(open: (settings: EngineSettings) => Promise<MeasuredEngine>): Promise<void> {
  const tell = (message: Reply) => process.send?.(message)
  try {
    // Sound: startEngine above wrote it.
    const engine = await open(JSON.parse(process.argv[2] ?? '') as EngineSettings)
    process.on('message', (cell: EngineCell) => {
      engine.measure(cell).then(
        (ms) => tell({ ms }),
        (error) => tell({ error: String(error) }),
      )
    })
    process.on('disconnect', () => process.exit())
    tell({ version: engine.version })
  } catch (error) {
    tell({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
}
