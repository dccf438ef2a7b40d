/** Both engines as servers: ours as it is deployed, llama.cpp behind a thin layer. Each on the given cores. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { endWithUs } from '../measure/end-with-us.ts'
import { ENGINES, type EngineName, type EngineSettings, HTTP_CONTEXT, HTTP_STREAMS } from './measured-engine.ts'

export type HttpServer = { url: string; pid: number; stop(): Promise<void> }

const MAIN = join(import.meta.dirname, '../../../functions/inference/main.ts')
const LLAMA = join(import.meta.dirname, 'llama-http-server.ts')

/** Throws when it ends instead of answering. */
export async function startHttpServer(
  name: EngineName,
  settings: EngineSettings,
  cores: readonly number[],
): Promise<HttpServer> {
  const command =
    ENGINES[name].program === 'perigee'
      ? [
          ...[MAIN, '--port', '0', '--threads', String(settings.threads)],
          ...['--slots', String(HTTP_STREAMS), '--context', String(HTTP_CONTEXT)],
        ]
      : [LLAMA, JSON.stringify(settings)]
  const child = spawn('taskset', ['--cpu-list', cores.join(','), process.execPath, ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  endWithUs(child)
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /answers on (http:\S+)/.exec(line)?.[1]
    if (url === undefined) continue
    child.stdout.resume() // A full pipe would stop the program.
    const stop = async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    return { url, pid: child.pid ?? 0, stop }
  }
  throw new Error(`The server of ${name} did not start.`)
}
