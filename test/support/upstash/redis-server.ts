/** A real redis-server for the suites: from the PATH, else Debian's package unpacked into the user's cache folder, which needs no root. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheDirectory } from '../../../functions/inference/models/cache-directory.ts'
import { until } from '../until.ts'

export type RedisServer = { socket: string; stop(): void }

/** Without persistence, on a socket of its own. @throws Error saying why there is none. */
export async function startRedis(): Promise<RedisServer> {
  const { program, env } = findRedis()
  const folder = mkdtempSync(join(tmpdir(), 'perigee-redis-'))
  const socket = join(folder, 'redis.sock')
  const args = ['--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no', '--dir', folder]
  const child: ChildProcess = spawn(program, args, { stdio: 'ignore', env: { ...process.env, ...env } })
  await until('redis-server listens', () => existsSync(socket), 10_000)
  return {
    socket,
    stop() {
      child.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

type Program = { program: string; env: Record<string, string> }

function findRedis(): Program {
  for (const folder of (process.env.PATH ?? '').split(':')) {
    const program = join(folder, 'redis-server')
    if (existsSync(program)) return { program, env: {} }
  }
  const root = join(cacheDirectory(process.env), 'redis')
  if (!existsSync(root)) unpackDebianPackage(root)
  const libraries = readdirSync(join(root, 'usr/lib')).map((name) => join(root, 'usr/lib', name))
  return { program: join(root, 'usr/bin/redis-server'), env: { LD_LIBRARY_PATH: libraries.join(':') } }
}

/** Its libraries come along, so that nothing has to be installed. */
function unpackDebianPackage(root: string): void {
  const folder = `${root}.${process.pid}`
  const state = join(folder, 'state')
  mkdirSync(join(state, 'lists/partial'), { recursive: true })
  mkdirSync(join(folder, 'root'), { recursive: true })
  const inFolder = (program: string, args: readonly string[]) =>
    execFileSync(program, args, {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 120_000,
    })
  try {
    // Of our own, for a slim image has no lists, and only root may write the system's.
    const own = ['-o', `Dir::State::Lists=${state}/lists`, '-o', `Dir::Cache=${state}`]
    inFolder('apt-get', [...own, '-qq', 'update'])
    const depends = inFolder('apt-cache', [...own, 'depends', 'redis-tools'])
    const libraries = [...depends.matchAll(/^ [ |]Depends: (lib[\w.+-]+)$/gm)].map(([, name = '']) => name)
    const wanted = libraries.filter((name) => !['libc6', 'libelogind0'].includes(name))
    inFolder('apt-get', [...own, '-qq', 'download', 'redis-server', 'redis-tools', ...wanted])
    for (const name of readdirSync(folder).filter((file) => file.endsWith('.deb'))) {
      inFolder('dpkg-deb', ['-x', name, 'root'])
    }
    // Another suite may have been quicker.
    if (!existsSync(root)) renameSync(join(folder, 'root'), root)
  } catch (cause) {
    throw new Error("no redis-server in the PATH, and Debian's package could not be fetched (apt-get, dpkg-deb)", {
      cause,
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
