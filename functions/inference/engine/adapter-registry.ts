/**
 * The server's side of the adapters: which are loaded, and what the engine's process is asked to load. It outlives that process,
 * so that one that is started again is given the same adapters before it serves.
 */
import type { AdapterResult, AdapterSource, LoadedAdapter, ToEngine } from './engine-messages.ts'

export type AdapterRegistry = {
  /** What the engine's process is to have from its start on. */
  sources(): AdapterSource[]
  list(): LoadedAdapter[]
  has(name: string): boolean
  /** Resolves when requests may name it, or with why not. Never rejects. */
  load(source: AdapterSource): Promise<AdapterResult>
  /** False when there is no adapter of that name. Requests in flight go on with it. */
  unload(name: string): boolean
  /** The engine's process serves, and has tried to load `sources()`. @returns what it could not */
  started(results: readonly AdapterResult[]): Extract<AdapterResult, { ok: false }>[]
  /** The names that the process was given and nobody wants any more. After the requests of before were posted. */
  unloadLeftovers(results: readonly AdapterResult[]): void
  loaded(result: AdapterResult): void
  died(): void
}

/** Each takes memory, and a list of them has to be read by people. */
export const ADAPTERS_MAX = 64

/** @param post sends to the engine's process; false when it does not serve */
export function createAdapterRegistry(
  given: readonly AdapterSource[],
  post: (message: ToEngine) => boolean,
): AdapterRegistry {
  /** Null until the engine has loaded it for the first time. */
  const known = new Map<string, LoadedAdapter | AdapterSource>(given.map((source) => [source.name, source]))
  const loading = new Map<string, (result: AdapterResult) => void>()
  const refused = (name: string, message: string): AdapterResult => ({ ok: false, name, message })

  return {
    sources: () =>
      [...known.values()].map(({ name, folder, digest }) => ({
        name,
        folder,
        ...(digest !== undefined && { digest }),
      })),
    list: () => [...known.values()].filter((adapter) => 'baseModel' in adapter),
    has: (name) => known.has(name),
    load(source) {
      const { name } = source
      if (known.has(name) || loading.has(name))
        return Promise.resolve(refused(name, 'an adapter of that name is loaded already'))
      if (known.size + loading.size >= ADAPTERS_MAX) {
        return Promise.resolve(refused(name, `${ADAPTERS_MAX} adapters are loaded, which is the most`))
      }
      return new Promise((resolve) => {
        if (post({ type: 'load_adapter', source })) loading.set(name, resolve)
        else resolve(refused(name, 'the inference engine is not running'))
      })
    },
    unload(name) {
      if (!known.delete(name)) return false
      post({ type: 'unload_adapter', name })
      return true
    },
    started(results) {
      const failed = results.filter((result) => !result.ok)
      for (const result of results) {
        if (result.ok && known.has(result.adapter.name)) known.set(result.adapter.name, result.adapter)
      }
      for (const { name } of failed) known.delete(name)
      return failed
    },
    unloadLeftovers(results) {
      for (const result of results) {
        if (result.ok && !known.has(result.adapter.name)) post({ type: 'unload_adapter', name: result.adapter.name })
      }
    },
    loaded(result) {
      const name = result.ok ? result.adapter.name : result.name
      if (result.ok) known.set(name, result.adapter)
      loading.get(name)?.(result)
      loading.delete(name)
    },
    died() {
      for (const [name, resolve] of loading) resolve(refused(name, 'the inference engine died while it loaded it'))
      loading.clear()
    },
  }
}
