/** Starts the programs of bench:edge, each pinned to its core, and knows when they listen. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { endWithUs } from '../measure/end-with-us.ts'

export type Running = { child: ChildProcess; pid: number }

/** Long enough for a cold disk, short enough to notice. */
const START_TIMEOUT_MS = 20_000

/** Replaces itself by the command, so that the pid is the command's. What it prints is kept for the error of a failed start. */
export function startOn(
  core: number,
  command: readonly string[],
  options: { environment?: NodeJS.ProcessEnv; controlPipe?: boolean } = {},
): Running {
  const child = spawn('taskset', ['--cpu-list', String(core), ...command], {
    env: { ...process.env, ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe', options.controlPipe ? 'pipe' : 'ignore'],
  })
  if (child.pid === undefined) throw new Error('taskset was not found: install util-linux.')
  endWithUs(child)
  return { child, pid: child.pid }
}

/** The first group of the first line of the stream that matches. Throws with what the program said if it ends or stays silent. */
export async function lineOf(running: Running, stream: Readable | null | undefined, pattern: RegExp): Promise<string> {
  if (!stream) throw new Error('The program was started without this stream.')
  const said: string[] = []
  running.child.stderr?.on('data', (bytes: Buffer) => said.length < 100 && said.push(bytes.toString()))
  const timer = setTimeout(() => running.child.kill('SIGKILL'), START_TIMEOUT_MS)
  try {
    for await (const line of createInterface({ input: stream })) {
      const found = pattern.exec(line)?.[1]
      if (found !== undefined) {
        stream.resume() // Later output is thrown away; a full pipe would stop the program.
        return found
      }
    }
    throw new Error(`A program of the bench did not start: ${said.join('').slice(0, 2_000)}`)
  } finally {
    clearTimeout(timer)
    running.child.stderr?.removeAllListeners('data').resume()
  }
}

/** Ends it and waits until it has ended. */
export async function stop({ child }: Running): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await ended
  clearTimeout(timer)
}

/** A port that was free a moment ago, for programs that cannot choose one themselves. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  if (typeof address !== 'object' || address === null) throw new Error('No port.')
  return address.port
}
