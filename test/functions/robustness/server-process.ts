/** The inference server as a process of its own, with what it and its engine hold of the machine. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { processTree, rssMib } from '../../bench/measure/process-tree.ts'

const MAIN = join(import.meta.dirname, '../../../functions/inference/main.ts')

export type ServerProcess = {
  url: string
  pid: number
  /** Everything it wrote to stderr. */
  log(): string
  /** Resident MiB of the server and of its children (the engine), and open files of all of them. */
  holds(): { serverMib: number; engineMib: number; files: number }
  hasEnded(): boolean
  /** SIGTERM. Resolves to the exit code. */
  stop(): Promise<number | null>
}

/** Rejects with what it said when it ends before it answers. */
export async function startServerProcess(argv: string[]): Promise<ServerProcess> {
  const child = spawn(process.execPath, [MAIN, '--port', '0', ...argv], { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  let log = ''
  child.stderr.on('data', (data) => {
    log += String(data)
  })
  const url = await Promise.race([printedUrl(child), exited.then(() => '')])
  if (url === '' || child.pid === undefined) throw new Error(`The server did not start:\n${log}`)
  const { pid } = child
  return {
    url,
    pid,
    log: () => log,
    holds() {
      const [, ...children] = processTree(pid)
      const files = [pid, ...children].reduce((sum, each) => sum + readdirSync(`/proc/${each}/fd`).length, 0)
      return { serverMib: rssMib([pid]), engineMib: rssMib(children), files }
    },
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    async stop() {
      child.kill('SIGTERM')
      return exited
    },
  }
}

function printedUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    child.stdout?.on('data', (data) => {
      text += String(data)
      const url = /answers on (http:\S+)/.exec(text)?.[1]
      if (url !== undefined) resolve(url)
    })
  })
}
