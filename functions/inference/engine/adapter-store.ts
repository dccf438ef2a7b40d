/**
 * The adapters that the engine holds, by name. A request holds its adapter until it ends, so that unloading takes a name away at once and the
 * weights when the last request that uses them has ended; meanwhile another adapter may have the name.
 */
import { AdapterError } from '../adapters/adapter-error.ts'
import type { ReadAdapter } from '../adapters/read-adapter.ts'
import type { AdapterHost } from './adapter-runs.ts'
import type { AdapterResult, AdapterSource } from './engine-messages.ts'

export type AdapterStore = {
  load(source: AdapterSource): Promise<AdapterResult>
  unload(name: string): void
  /**
   * The key of the adapter that has this name now: unlike the name it stands for the same weights for ever.
   * @throws Error when there is none
   */
  hold(requestId: number, name: string): string
  /** A request has ended or was cancelled; of one that holds nothing this is no news. */
  release(requestId: number): void
  /** Whether an adapter has this key: it is loaded, or a request that has not ended uses it. */
  isThere(key: string): boolean
}

export function createAdapterStore(host: AdapterHost, read: (folder: string) => Promise<ReadAdapter>): AdapterStore {
  const keys = new Map<string, string>()
  const held = new Map<number, string>()
  let loads = 0

  const isThere = (key: string) => [...keys.values(), ...held.values()].includes(key)

  function removeIfUnused(key: string) {
    if (!isThere(key)) host.removeAdapter(key)
  }

  async function add({ name, folder, digest: expected }: AdapterSource): Promise<AdapterResult> {
    const { adapter, digest, baseModel } = await read(folder)
    if (expected !== undefined && digest !== expected)
      throw new AdapterError('its files are not those it was loaded from')
    const key = `${name}#${++loads}`
    await host.addAdapter(key, adapter)
    keys.set(name, key)
    return { ok: true, adapter: { name, folder, digest, baseModel } }
  }

  return {
    load: (source) =>
      add(source).catch((error: unknown) => ({ ok: false, name: source.name, message: reasonOf(error) })),
    unload(name) {
      const key = keys.get(name)
      if (key === undefined) return
      keys.delete(name)
      removeIfUnused(key)
    },
    hold(requestId, name) {
      const key = keys.get(name)
      if (key === undefined) throw new Error(`A request names the adapter ${name}, which is not loaded.`)
      held.set(requestId, key)
      return key
    },
    release(requestId) {
      const key = held.get(requestId)
      if (key === undefined) return
      held.delete(requestId)
      removeIfUnused(key)
    },
    isThere,
  }
}

/** For whoever loads it: neither paths nor stacks. */
function reasonOf(error: unknown): string {
  if (error instanceof AdapterError) return error.message
  if (error instanceof Error && 'code' in error) return `its files cannot be read (${String(error.code)})`
  return error instanceof Error ? error.message : String(error)
}
