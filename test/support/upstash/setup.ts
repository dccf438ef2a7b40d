/** For vitest's globalSetup: an Upstash for the suites that want one. Without a redis-server they say why they are skipped; in CI that is an error. */
import type { TestProject } from 'vitest/node'
import type {} from './provided-upstash.ts'
import { type RedisServer, startRedis } from './redis-server.ts'
import { type UpstashBridge, upstashBridge } from './upstash-bridge.ts'

export default async function setup(project: TestProject): Promise<() => void> {
  let redis: RedisServer | undefined
  let bridge: UpstashBridge | undefined
  try {
    redis = await startRedis()
    bridge = await upstashBridge(redis.socket)
    project.provide('upstash', { url: bridge.url, token: bridge.token })
  } catch (cause) {
    redis?.stop()
    if (process.env.CI) throw cause
    project.provide('upstash', { missing: cause instanceof Error ? cause.message : String(cause) })
  }
  return () => {
    bridge?.stop()
    redis?.stop()
  }
}
