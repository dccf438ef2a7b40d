/** The product as a user starts it: `npm start`'s own script, on free ports, with a state folder of its own. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

const ROOT = resolve(import.meta.dirname, '../..')
/** The first start on a machine also downloads 98 MB of weights. */
const READY_WITHIN_MS = 240_000

export type Stack = {
  url: string
  inferenceUrl: string
  key: string
  /** Everything printed so far. */
  output(): string
  /** Process ids below the starting script whose command line contains `text`. */
  processes(text: string): number[]
  /** Resolves when `text` was printed; rejects with the output when that takes longer. */
  printed(text: string, withinMs: number): Promise<void>
  /** Ctrl-C. Resolves to the exit code. */
  stop(): Promise<number | null>
}

export function makeStateDir(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'perigee-e2e-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Free a moment ago; the kernel does not hand the same one out again soon. */
export function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const probe = createServer()
    probe.once('error', fail)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => (address && typeof address === 'object' ? done(address.port) : fail(new Error('no port'))))
    })
  })
}

export async function startStack(
  stateDir: string,
  ports?: { edge: number; inference: number },
  settings: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
): Promise<Stack> {
  const edgePort = ports?.edge ?? (await freePort())
  const inferencePort = ports?.inference ?? (await freePort())
  const child = spawn(
    process.execPath,
    [
      join(ROOT, 'scripts/start.ts'),
      ...['--port', String(edgePort), '--inference-port', String(inferencePort), '--state-dir', stateDir],
      ...args,
    ],
    { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1', ...settings } },
  )
  let text = ''
  child.stdout?.on('data', (data) => (text += String(data)))
  child.stderr?.on('data', (data) => (text += String(data)))
  const exited = new Promise<number | null>((done) => child.once('close', done))

  const printed = async (wanted: string, withinMs: number) => {
    const deadline = performance.now() + withinMs
    while (!text.includes(wanted)) {
      if (child.exitCode !== null || performance.now() > deadline)
        throw new Error(`"${wanted}" was not printed:\n${text}`)
      await pause(50)
    }
  }
  await printed('Ctrl-C stops everything.', READY_WITHIN_MS)
  const key = /Key\s+(pg_[0-9A-Za-z]+)/.exec(text)?.[1]
  if (!key) throw new Error(`no key in:\n${text}`)
  return {
    url: `http://127.0.0.1:${edgePort}`,
    inferenceUrl: `http://127.0.0.1:${inferencePort}`,
    key,
    output: () => text,
    processes: (part) => descendants(child).filter((pid) => processField(pid, 'args').includes(part)),
    printed,
    async stop() {
      child.kill('SIGINT')
      return exited
    },
  }
}

function descendants(child: ChildProcess): number[] {
  const found: number[] = []
  const visit = (pid: number) => {
    let below: string
    try {
      below = execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
    } catch {
      return // pgrep exits with 1 when there is none.
    }
    for (const line of below.trim().split('\n')) {
      found.push(Number(line))
      visit(Number(line))
    }
  }
  if (child.pid !== undefined) visit(child.pid)
  return found
}

/** A process that ended and was not collected yet (state Z) does not run. */
export function isRunning(pid: number): boolean {
  const state = processField(pid, 'stat')
  return state !== '' && !state.startsWith('Z')
}

/** Empty when there is no such process (any more). */
function processField(pid: number, field: 'args' | 'stat'): string {
  try {
    return execFileSync('ps', ['-o', `${field}=`, '-p', String(pid)], { encoding: 'utf8' })
  } catch {
    return ''
  }
}
