/** What was read and answered with an adapter goes when the adapter goes, so that its blocks are there for others. */
import type { AdapterHost } from './adapter-runs.ts'
import type { PrefixStore } from './prefix-store.ts'

/** The host of adapters, which forgets what was computed with one that it removes. */
export function forgetting(host: AdapterHost, prefixes: Pick<PrefixStore, 'forget'>): AdapterHost {
  return {
    addAdapter: (key, adapter) => host.addAdapter(key, adapter),
    removeAdapter(key) {
      host.removeAdapter(key)
      prefixes.forget(key)
    },
  }
}

/** The store, which keeps nothing of an adapter that is gone: whoever hung up in the middle of a run leaves his row after his adapter. */
export function keepingOf(isThere: (key: string) => boolean, prefixes: PrefixStore): PrefixStore {
  return {
    ...prefixes,
    save: (adapter, ...given) => (adapter !== null && !isThere(adapter) ? 0 : prefixes.save(adapter, ...given)),
  }
}
