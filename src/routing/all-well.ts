/** The health of deployments that nobody watches: everybody is well, and nobody is full. */
import type { Health } from '../chat/ports.ts'
import { AppError } from '../errors.ts'

export const allWell: Health = {
  view: () => ({ state: 'well', inFlight: 0, latencyMs: undefined, closedUntilMs: undefined }),
  enter: () => ({ firstEvent() {}, end() {} }),
  wait: () => Promise.reject(new AppError('upstream_overloaded', 'The model is busy.')),
}
