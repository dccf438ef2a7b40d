/**
 * The key sets of outside providers in an isolate's memory. Rules, one below the other:
 * 1. Younger than 10 minutes: used.
 * 2. Younger than an hour: used, and renewed in the background. So a provider that is down stops nobody for an hour.
 * 3. Otherwise waited for; a provider that failed a moment ago is not asked again at once.
 * A token that names an unknown key has the set renewed, at most every 30 s: else whoever makes up names makes us call.
 */
import { AppError } from '../errors.ts'
import type { Jwk } from './fetch-jwks.ts'

const FRESH_MS = 10 * 60_000
const SERVED_MS = 60 * 60_000
const RENEW_EVERY_MS = 30_000
const FAILED_EVERY_MS = 5_000

/** The same object as long as the provider gives the same keys: who verified with it can tell that nothing has changed. */
export type KeySet = { keys: readonly Jwk[] }

export type KeySets = {
  /** At once when rules 1 or 2 hold. Rejects with store_unavailable when there are no keys to be had. */
  current(url: string): KeySet | Promise<KeySet>
  /** After a look at the provider, when it may be asked; else undefined. */
  renewed(url: string): Promise<KeySet | undefined>
}

type Entry = {
  keySet?: KeySet
  text?: string
  fetchedAtMs: number
  triedAtMs: number
  fetching?: Promise<void>
}

export function keySets(options: {
  fetchJwks: (url: string) => Promise<Jwk[]>
  nowMs: () => number
  /** Keeps a fetch alive whose first caller hangs up: others wait for it, too. */
  waitUntil: (promise: Promise<unknown>) => void
}): KeySets {
  const { fetchJwks, nowMs, waitUntil } = options
  /** Bounded by the number of providers. */
  const entries = new Map<string, Entry>()

  function entryOf(url: string): Entry {
    const known = entries.get(url)
    if (known) return known
    const entry: Entry = { fetchedAtMs: Number.NEGATIVE_INFINITY, triedAtMs: Number.NEGATIVE_INFINITY }
    entries.set(url, entry)
    return entry
  }

  /** One at a time. Never rejects. */
  function renew(url: string, entry: Entry): Promise<void> {
    if (entry.fetching) return entry.fetching
    entry.triedAtMs = nowMs()
    const fetching = fetchJwks(url)
      .then(
        (keys) => {
          const text = JSON.stringify(keys)
          if (text !== entry.text) {
            entry.text = text
            entry.keySet = { keys }
          }
          entry.fetchedAtMs = nowMs()
        },
        (cause) => {
          // The text of our own errors and of the platform's: neither holds a token.
          console.warn(JSON.stringify({ level: 'warn', event: 'jwks_failed', url, cause: String(cause).slice(0, 500) }))
        },
      )
      .finally(() => {
        delete entry.fetching
      })
    entry.fetching = fetching
    waitUntil(fetching)
    return fetching
  }

  async function awaited(url: string, entry: Entry): Promise<KeySet> {
    if (entry.fetching || nowMs() - entry.triedAtMs >= FAILED_EVERY_MS) await renew(url, entry)
    if (entry.keySet && nowMs() - entry.fetchedAtMs < SERVED_MS) return entry.keySet
    throw new AppError('store_unavailable', "The identity provider's keys cannot be had. Try again.")
  }

  return {
    current(url) {
      const entry = entryOf(url)
      const ageMs = nowMs() - entry.fetchedAtMs
      if (!entry.keySet || ageMs >= SERVED_MS) return awaited(url, entry)
      if (ageMs >= FRESH_MS && nowMs() - entry.triedAtMs >= RENEW_EVERY_MS) void renew(url, entry)
      return entry.keySet
    },

    async renewed(url) {
      const entry = entryOf(url)
      if (!entry.fetching && nowMs() - entry.triedAtMs < RENEW_EVERY_MS) return undefined
      await renew(url, entry)
      return entry.keySet
    },
  }
}
