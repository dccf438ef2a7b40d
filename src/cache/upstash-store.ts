/** Redis over HTTPS at Upstash, which all places share. Its client is loaded when first used: installations without it never pay for it. */
import type { Redis } from '@upstash/redis/cloudflare'
import type { AnswerStore } from './answer-store.ts'

const PREFIX = 'perigee:answer:'

export function upstashStore(options: { url: string; token: string }): AnswerStore {
  let redis: Redis | undefined
  // Not the promise of it: one request cannot wait for what another one began.
  async function client(): Promise<Redis> {
    if (redis) return redis
    const { Redis } = await import('@upstash/redis/cloudflare')
    // Values are our own text. No pipelines: they put commands of several requests into one call, and one request cannot wait for
    // another's. No retries: src/cache/answer-store.ts gives a store one try and then a rest.
    redis ??= new Redis({
      ...options,
      automaticDeserialization: false,
      enableAutoPipelining: false,
      enableTelemetry: false,
      retry: false,
    })
    return redis
  }

  return {
    name: 'upstash',
    async get(key) {
      const text: unknown = await (await client()).get(PREFIX + key)
      return typeof text === 'string' ? text : undefined
    },
    async put(key, text, seconds) {
      await (await client()).set(PREFIX + key, text, { ex: seconds })
    },
  }
}
