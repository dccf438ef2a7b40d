/** Answers that were given before, in the isolate's memory and in what is configured behind it. */
import { waitUntil } from 'cloudflare:workers'
import { wiredCache } from '../cache/wired-cache.ts'
import type { AnswerCache } from '../chat/ports.ts'
import type { Config } from '../config.ts'

export function wireCache(config: Config): AnswerCache {
  const { PERIGEE_UPSTASH_URL: url, PERIGEE_UPSTASH_TOKEN: token, PERIGEE_LOG_LEVEL: level } = config
  return wiredCache({
    policy: config.PERIGEE_CACHE,
    ttlSeconds: config.PERIGEE_CACHE_TTL_SECONDS,
    entriesMax: config.PERIGEE_CACHE_ENTRIES,
    bytesMax: config.PERIGEE_CACHE_BYTES,
    upstash: url !== undefined && token !== undefined ? { url, token } : undefined,
    waitUntil,
    warn(fields) {
      if (level === 'error' || level === 'silent') return
      console.log(JSON.stringify({ level: 'warn', time: new Date().toISOString(), ...fields }))
    },
  })
}
