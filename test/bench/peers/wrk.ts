/**
 * The load generator is wrk: an event loop in C that costs a fifth of what a generator in Node would, which matters because it
 * shares its core with the upstream. Taken from PATH, else Debian's package is unpacked into the cache without installing it.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from './cache-folder.ts'

export type Wrk = { command: string; environment: NodeJS.ProcessEnv }

/** Debian's wrk and the library that it needs beyond what every installation has. */
const DEBIAN_PACKAGES = ['wrk', 'libluajit2-5.1-2']
const HOW = 'Install wrk (Debian and Ubuntu: `apt install wrk`; macOS: `brew install wrk`) and run this again.'

/** Throws with how to install it when it is neither there nor to be had. */
export function findWrk(): Wrk {
  const onPath: Wrk = { command: 'wrk', environment: process.env }
  if (starts(onPath)) return onPath
  const folder = join(cacheFolder('wrk'), 'debian')
  if (!existsSync(folder)) unpackDebianPackages(folder)
  const unpacked = inFolder(folder)
  if (starts(unpacked)) return unpacked
  throw new Error(`The wrk in ${folder} does not start. ${HOW}`)
}

/** wrk prints its version and exits with 1. */
function starts(wrk: Wrk): boolean {
  return String(spawnSync(wrk.command, ['-v'], { env: wrk.environment }).stdout ?? '').startsWith('wrk ')
}

function inFolder(folder: string): Wrk {
  const libraries = join(folder, 'usr/lib')
  const paths = existsSync(libraries) ? readdirSync(libraries).map((triplet) => join(libraries, triplet)) : []
  return { command: join(folder, 'usr/bin/wrk'), environment: { ...process.env, LD_LIBRARY_PATH: paths.join(':') } }
}

function unpackDebianPackages(folder: string): void {
  console.log('wrk is not on PATH; fetching the Debian package (0.3 MB, once) ...')
  const work = mkdtempSync(`${folder}-`)
  try {
    const fetched = spawnSync('apt-get', ['download', ...DEBIAN_PACKAGES], { cwd: work, stdio: 'ignore' })
    if (fetched.status !== 0) throw new Error(`wrk is not on PATH and apt-get could not download it. ${HOW}`)
    const root = join(work, 'root')
    mkdirSync(root)
    for (const archive of readdirSync(work).filter((name) => name.endsWith('.deb'))) {
      if (spawnSync('dpkg-deb', ['-x', join(work, archive), root]).status !== 0) {
        throw new Error(`dpkg-deb could not unpack ${archive}. ${HOW}`)
      }
    }
    renameSync(root, folder)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
