/** Notices a child that lives but does not answer, which its exit would never tell (workerd behind wrangler, a hung engine). */
import { setTimeout as pause } from 'node:timers/promises'
import type { Supervised } from './supervise.ts'

const DEFAULTS = {
  lookEveryMs: 2_000,
  /** Far above what either server needs for /health, also while it works hard. */
  answerWithinMs: 3_000,
  silencesMax: 3,
  /** A process that has not answered yet is starting. One that still has not after this is not going to. */
  startsWithinMs: 60_000,
}

/**
 * To be called once the child has answered for the first time. Any answer counts, also 503 while a model loads. A process that the
 * supervisor started anew may be silent while it starts. Ends when the child was stopped; never rejects.
 */
export async function watchHealth(
  url: string,
  child: Pick<Supervised, 'hasStopped' | 'restart' | 'running'>,
  options: Partial<typeof DEFAULTS> = {},
): Promise<void> {
  const { lookEveryMs, answerWithinMs, silencesMax, startsWithinMs } = { ...DEFAULTS, ...options }
  let answeredPid = child.running()?.pid
  let silences = 0
  while (!child.hasStopped()) {
    await pause(lookEveryMs, undefined, { ref: false })
    const asked = child.running()
    const answer = await fetch(url, { signal: AbortSignal.timeout(answerWithinMs) }).catch(() => undefined)
    await answer?.body?.cancel()
    const now = child.running()
    if (answer) answeredPid = asked?.pid
    // Between a crash and the next start, and while it starts, a child is the supervisor's business.
    const isSilent =
      !answer && now && now.pid === asked?.pid && (now.pid === answeredPid || now.ranForMs > startsWithinMs)
    silences = isSilent ? silences + 1 : 0
    if (silences < silencesMax) continue
    child.restart('does not answer any more; starting it again')
    silences = 0
  }
}
