/** What is known of deployments' health, for tests: by id, and well where nothing is said. */
import type { Health, HealthView } from '../../src/chat/ports.ts'

export const WELL: HealthView = { state: 'well', inFlight: 0, latencyMs: undefined, closedUntilMs: undefined }

export function viewOf(known: Readonly<Record<string, Partial<HealthView>>> = {}): Health['view'] {
  return ({ id }) => ({ ...WELL, ...known[id] })
}
