/** The server's one embedding model: known by name from the start, fetched and started when it is first asked for. */
import { existsSync } from 'node:fs'
import { cacheDirectory } from '../models/cache-directory.ts'
import { EMBEDDING_CATALOGUE } from '../models/embedding-catalogue.ts'
import { type EmbeddingFolder, readEmbeddingFolder } from '../models/embedding-folder.ts'
import {
  type EnsureEmbeddingOptions,
  embeddingEntry,
  embeddingFolder,
  ensureEmbeddingModel,
} from '../models/ensure-embedding-model.ts'
import { modelSource } from '../models/model-source.ts'
import { nameOfFile } from '../models/model-target.ts'
import { type EmbeddingEngine, type EmbeddingEngineOptions, openEmbeddingEngine } from './embedding-engine.ts'

export type EmbeddingServiceOptions = Omit<EmbeddingEngineOptions, 'folder'> & {
  /** A name of the catalogue, or the path of a folder as sentence-transformers lays it out, or of the graph within it. */
  model: string
  /** Another catalogue, cache or source, for tests. */
  store?: Omit<EnsureEmbeddingOptions, 'name' | 'path'>
}

export type EmbeddingService = {
  name: string
  /** Seconds since 1970 at which the service was opened, for /v1/models. */
  created: number
  /** Gets the model if that has not been done. `fetching`: ask again later. */
  ask(): Asked
  /** Gets the model and starts its engine. Resolves when that serves; false when it cannot, which the log explains. */
  start(): Promise<boolean>
  /** Null until the model is here. */
  opened(): Opened | null
  stop(): Promise<void>
}

export type Opened = { engine: EmbeddingEngine; folder: EmbeddingFolder }
export type Asked = ({ state: 'here' } & Opened) | { state: 'fetching' } | { state: 'unreachable' }

/** A source that cannot be reached is not asked at every request. */
const FETCH_AGAIN_AFTER_MS = 30_000

/** @throws Error for a name that nobody knows, and for a folder that holds no such model */
export function openEmbeddingService({ model, store, ...options }: EmbeddingServiceOptions): EmbeddingService {
  const { log } = options
  const source = modelSource(model)
  let opened: Opened | null = 'path' in source ? open(source.path) : null
  let fetching: Promise<Opened | null> | null = null
  let failedAt = Number.NEGATIVE_INFINITY
  let isStopped = false

  /** The engine's process is started by its first call. */
  function open(path: string): Opened {
    const read = readEmbeddingFolder(path)
    if (!read.ok) throw new Error(read.message)
    return { engine: openEmbeddingEngine({ ...options, folder: read.folder }), folder: read.folder }
  }

  /** What is here already, or what is being fetched; null soon after that failed. */
  function find(name: string): Opened | Promise<Opened | null> | null {
    if (opened !== null) return opened
    const entry = embeddingEntry(name, store?.catalogue)
    const folder = entry && embeddingFolder(store?.cacheDir ?? cacheDirectory(process.env), entry)
    if (folder && existsSync(folder)) {
      opened = open(folder)
      return opened
    }
    if (performance.now() - failedAt < FETCH_AGAIN_AFTER_MS) return null
    fetching ??= fetchModel(name)
    return fetching
  }

  async function fetchModel(name: string): Promise<Opened | null> {
    log(`The embedding model ${name} is being fetched.`)
    const result = await ensureEmbeddingModel({ ...store, name }).catch((error) => ({
      ok: false as const,
      message: `${error}`,
    }))
    fetching = null
    if (isStopped) return null
    if (result.ok) {
      log(`The embedding model ${name} is here.`)
      opened ??= open(result.folder)
      return opened
    }
    failedAt = performance.now()
    log(result.message)
    return null
  }

  const name = 'name' in source ? source.name : nameOfFile(opened?.folder.root ?? '')
  if ('name' in source && embeddingEntry(name, store?.catalogue) === null) {
    const known = EMBEDDING_CATALOGUE.map((entry) => entry.name).join(', ')
    throw new Error(`There is no embedding model named ${name}. Known by name: ${known}.`)
  }

  return {
    name,
    created: Math.floor(Date.now() / 1_000),
    opened: () => opened,
    ask() {
      const found = find(name)
      if (found === null) return { state: 'unreachable' }
      return found instanceof Promise ? { state: 'fetching' } : { state: 'here', ...found }
    },
    async start() {
      const found = await find(name)
      return (await found?.engine.start()) ?? false
    },
    async stop() {
      isStopped = true
      await opened?.engine.stop()
    },
  }
}
