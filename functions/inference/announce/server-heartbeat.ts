/** What this server tells of itself: where it is, and how much of it is taken. */
import { randomBytes } from 'node:crypto'
import type { Heartbeat } from '../../../src/contract/heartbeat.ts'
import { readinessOf } from '../http/readiness.ts'
import type { Server } from '../http/serving.ts'
import { placesOf } from '../http/status.ts'
import type { AnnounceSettings } from '../settings.ts'

/** To be called again and again: rates are since the last time. */
export function serverHeartbeat(
  server: Server,
  { deployment, ownUrl }: AnnounceSettings,
  nowMs: () => number,
): () => Promise<Heartbeat> {
  const instance = randomBytes(8).toString('hex')
  let last = { atMs: nowMs(), answered: server.metrics.answered() }
  return async () => {
    const machine = await server.machine.look()
    const now = { atMs: nowMs(), answered: server.metrics.answered() }
    const seconds = Math.max(0.001, (now.atMs - last.atMs) / 1_000)
    const perSecond = Math.max(0, now.answered - last.answered) / seconds
    last = now
    const { status } = readinessOf(server)
    return {
      deployment,
      instance,
      url: ownUrl,
      model: server.serving?.modelName ?? '',
      draining: status === 'draining' || status === 'stopped',
      load: { ...placesOf(server), requests_per_second: perSecond, ...machine },
    }
  }
}
