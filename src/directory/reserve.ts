/**
 * The copy in key-value storage, for the time when neither D1 nor an isolate's memory can tell. It may be more than a minute behind,
 * so each copy says when it was last known to be true; who reads it decides whether that is recent enough.
 */
import { RESERVE_SERVES_MS } from './change.ts'

/** A copy verified so recently is not written again, whoever wrote it: many isolates would write the same. Less than CONFIRM_COPY_MS. */
const WRITTEN_AGAIN_MS = 4 * 60_000

export type Copy = { verifiedAtMs: number; value: unknown }

export type Reserve = {
  /** Rejects when key-value storage fails too. */
  read(kind: string, key: string): Promise<Copy | undefined>
  /** Writes unless the same is there and still young. */
  keep(kind: string, key: string, copy: Copy): Promise<void>
  drop(kind: string, key: string): Promise<void>
}

/** KV's names have 512 bytes at most; a longer one is not kept. */
const NAME_CHARS_MAX = 170

export function kvReserve(namespace: KVNamespace): Reserve {
  const read = (kind: string, key: string) => namespace.get<Copy>(`${kind}/${key}`, 'json')
  return {
    async read(kind, key) {
      return (await read(kind, key)) ?? undefined
    },

    async keep(kind, key, copy) {
      if (key.length > NAME_CHARS_MAX) return
      const there = await read(kind, key)
      const isSame = there !== null && JSON.stringify(there.value) === JSON.stringify(copy.value)
      if (isSame && copy.verifiedAtMs - there.verifiedAtMs < WRITTEN_AGAIN_MS) return
      await namespace.put(`${kind}/${key}`, JSON.stringify(copy), { expirationTtl: RESERVE_SERVES_MS / 1_000 })
    },

    async drop(kind, key) {
      if (key.length <= NAME_CHARS_MAX) await namespace.delete(`${kind}/${key}`)
    },
  }
}
