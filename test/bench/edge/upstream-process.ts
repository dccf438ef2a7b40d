/** The upstream that all contenders share: upstream.c where a C compiler is found, else upstream.ts. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from '../peers/cache-folder.ts'
import { EVENTS, LONG_EVENTS, PACE_US } from './scenario.ts'
import { lineOf, type Running, startOn } from './server.ts'

export type UpstreamProcess = Running & { baseUrl: string; language: 'C' | 'Node' }

export async function startUpstream(core: number): Promise<UpstreamProcess> {
  const compiled = compile()
  const command = compiled ? [compiled] : [process.execPath, join(import.meta.dirname, 'upstream.ts')]
  const running = startOn(core, [...command, '0', String(EVENTS), String(PACE_US), String(LONG_EVENTS)])
  const port = await lineOf(running, running.child.stdout, /^listening (\d+)$/)
  return { ...running, baseUrl: `http://127.0.0.1:${port}`, language: compiled ? 'C' : 'Node' }
}

/** The program's path, cached by its source's hash; undefined, with a note, where there is no compiler. */
function compile(): string | undefined {
  const source = join(import.meta.dirname, 'upstream.c')
  const hash = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16)
  const program = join(cacheFolder('upstream'), hash)
  if (existsSync(program)) return program
  const work = `${program}.${process.pid}`
  const compiler = spawnSync('cc', ['-O2', '-o', work, source], { encoding: 'utf8' })
  if (compiler.status === 0) {
    renameSync(work, program)
    return program
  }
  console.log('No C compiler (cc): the upstream runs on Node, so fast gateways look slower than they are.')
  return undefined
}
