/** Whether a request would be answered now, and if not, why: one answer for /health, /ping, the metrics and the routes themselves. */
import type { EngineState } from '../engine/engine-client.ts'
import type { Server } from './serving.ts'

export type Readiness = {
  isReady: boolean
  status: 'ok' | Exclude<EngineState, 'ready'> | 'draining' | 'queue_full'
}

export function readinessOf({ serving, isStopping, isDraining }: Server): Readiness {
  const notReady = (status: Readiness['status']) => ({ isReady: false, status })
  if (isStopping) return notReady('stopped')
  if (isDraining) return notReady('draining')
  if (serving === null) return notReady('loading')
  const state = serving.engine.state()
  if (state !== 'ready') return notReady(state)
  return serving.engine.inFlight() >= serving.slots + serving.queueMax
    ? notReady('queue_full')
    : { isReady: true, status: 'ok' }
}
