/**
 * A contender in a process of its own, so that memory, threads and crashes are its own. It stands still (SIGSTOP) while it is not
 * its turn: thread pools of both kinds spin for a while after work, and would slow the other.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { allowedCores, coreTime } from '../measure/cores.ts'
import { endWithUs } from '../measure/end-with-us.ts'
import { cpuMs, processTree, rssMib } from '../measure/process-tree.ts'
import type { EngineCell, EngineSettings, MeasuredEngine } from './measured-engine.ts'

export type EngineProcess = {
  version: string
  measure(cell: EngineCell): Promise<EngineSample>
  rssMib(): number
  stop(): Promise<void>
}

/** `strangers`: the share of this process's cores that other programs used meanwhile. */
export type EngineSample = { ms: number; strangers: number }

type Reply = { version: string } | { ms: number } | { error: string }

/** Resolves when the model is loaded; the process then stands still. */
export async function startEngine(name: 'perigee' | 'llama', settings: EngineSettings): Promise<EngineProcess> {
  const child = fork(join(import.meta.dirname, `${name}-engine.ts`), [JSON.stringify(settings)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  endWithUs(child)
  const ready = await reply(child)
  if (!('version' in ready)) throw new Error(`${name} did not start: ${JSON.stringify(ready)}`)
  child.kill('SIGSTOP')
  return {
    version: ready.version,
    async measure(cell) {
      child.kill('SIGCONT')
      try {
        const before = reading(child)
        const answer = reply(child)
        child.send(cell)
        const measured = await answer
        const after = reading(child)
        const others = after.programsMs - before.programsMs - (after.childMs - before.childMs)
        const available = (after.wallMs - before.wallMs) * after.cores
        if ('ms' in measured) return { ms: measured.ms, strangers: Math.max(0, others / available) }
        throw new Error(`${name} failed at ${JSON.stringify(cell)}: ${JSON.stringify(measured)}`)
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

function reading(child: ChildProcess) {
  const cores = allowedCores()
  return {
    wallMs: performance.now(),
    cores: cores.length,
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
