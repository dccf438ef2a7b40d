/** The cache with all its parts, from the settings. */
import type { AnswerCache } from '../chat/ports.ts'
import { answerCache } from './answer-cache.ts'
import { type Failure, forgivingStore } from './answer-store.ts'
import type { CachePolicy } from './may-share.ts'
import { memoryCache } from './memory-cache.ts'
import { platformStore } from './platform-store.ts'
import { upstashStore } from './upstash-store.ts'

type Options = {
  policy: CachePolicy
  ttlSeconds: number
  entriesMax: number
  bytesMax: number
  /** Absent: the isolate's memory and its place's cache are all there is. */
  upstash: { url: string; token: string } | undefined
  waitUntil: (work: Promise<unknown>) => void
  /** A line for the log. */
  warn: (fields: Record<string, unknown>) => void
}

export function wiredCache(options: Options): AnswerCache {
  const { policy, ttlSeconds, entriesMax, bytesMax, upstash, waitUntil, warn } = options
  const now = () => Date.now()
  const report = ({ store, cause }: Failure) => warn({ event: 'cache_store_failed', store, cause: String(cause) })
  const stores = [platformStore(() => caches.open('perigee-answers')), ...(upstash ? [upstashStore(upstash)] : [])]
  return answerCache({
    memory: memoryCache({ entriesMax, bytesMax, ttlMs: ttlSeconds * 1_000, now }),
    stores: stores.map((store) => forgivingStore(store, { now, report })),
    ttlSeconds,
    policyOf: () => policy,
    waitUntil,
    now,
  })
}
