/** Whether a port can be had, and whether a server answers. */
import { createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Supervised } from './supervise.ts'

const POLL_EVERY_MS = 100

export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}

/** False when the time is up or the child was given up. */
export async function untilHealthy(
  url: string,
  child: Pick<Supervised, 'hasStopped'>,
  withinMs: number,
): Promise<boolean> {
  const deadline = performance.now() + withinMs
  while (performance.now() < deadline && !child.hasStopped()) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer?.ok) return true
    await pause(POLL_EVERY_MS)
  }
  return false
}
