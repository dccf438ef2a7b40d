/**
 * The products that the benches compare with: installed on first use from test/bench/package-lock.json, so that `npm ci` at the
 * root stays small. That package.json pins hono and its server below what npm would choose, because Portkey's streaming fails
 * with newer ones, and replaces llama.cpp's GPU builds (600 MB) and ONNX Runtime for browsers by a tiny package.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const BENCH_FOLDER = join(import.meta.dirname, '..')
const MODULES = join(BENCH_FOLDER, 'node_modules')
/** Holds the hash of the lock that was installed: another lock means another install. */
const STAMP = join(MODULES, '.perigee-lock-sha256')

/** Throws with what to do when npm fails. Takes about 30 s the first time, nothing later. */
export function installPeers(): void {
  const lock = createHash('sha256')
    .update(readFileSync(join(BENCH_FOLDER, 'package-lock.json')))
    .digest('hex')
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === lock) return
  console.log('Installing what the bench compares with into test/bench/node_modules (once, 1 GB) ...')
  const installed = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: BENCH_FOLDER,
    stdio: ['ignore', 'ignore', 'inherit'],
    // Else its install script fetches CUDA libraries, which no bench uses.
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
  })
  if (installed.status !== 0) throw new Error('`npm ci` failed in test/bench: is the npm registry reachable?')
  writeFileSync(STAMP, lock)
}

/** Absolute path of a file inside an installed peer. */
export function peerFile(...path: string[]): string {
  return join(MODULES, ...path)
}

export function peerVersion(name: string): string {
  const manifest: unknown = JSON.parse(readFileSync(peerFile(name, 'package.json'), 'utf8'))
  if (typeof manifest === 'object' && manifest && 'version' in manifest) return String(manifest.version)
  throw new Error(`${name} has no version.`)
}
