/** Notices a child that lives but does not answer, which its exit would never tell (workerd behind wrangler, a hung engine). */
import { setTimeout as pause } from 'node:timers/promises'
import type { Supervised } from './supervise.ts'

const LOOK_EVERY_MS = 2_000
/** Far above what either server needs for /health, also while it works hard. */
const ANSWER_WITHIN_MS = 3_000
const SILENCES_MAX = 3

/** Any answer counts, also 503 while a model loads. Ends when the child was stopped; never rejects. */
export async function watchHealth(url: string, child: Pick<Supervised, 'hasStopped' | 'restart'>): Promise<void> {
  let silences = 0
  let wasUp = false
  while (!child.hasStopped()) {
    await pause(LOOK_EVERY_MS, undefined, { ref: false })
    const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) }).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer) {
      wasUp = true
      silences = 0
      continue
    }
    // A child that has not answered yet is starting; one that crashes meanwhile is the supervisor's business.
    if (!wasUp || ++silences < SILENCES_MAX) continue
    child.restart('does not answer any more; starting it again')
    wasUp = false
    silences = 0
  }
}
