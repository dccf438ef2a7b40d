/** The health of deployments that nobody watches: everybody is well, and nobody is full. */
import type { Health } from '../../src/chat/ports.ts'
import { AppError } from '../../src/errors.ts'

export const allWell: Health = {
  view: () => ({ state: 'well', inFlight: 0, latencyMs: undefined, closedUntilMs: undefined }),
  enter: () => ({ firstEvent() {}, end() {} }),
  wait: () => Promise.reject(new AppError('upstream_overloaded', 'The model is busy.')),
}
