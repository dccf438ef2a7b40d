/** Tells the edge where this server is and how much of it is taken, every 5 s until it stops, and then that it does. */
import { createHmac } from 'node:crypto'
import type { Heartbeat } from '../../../src/contract/heartbeat.ts'
import {
  HEARTBEAT_EVERY_MS,
  HEARTBEAT_PATH,
  HEARTBEAT_SIGNATURE_HEADER,
  HEARTBEAT_SIGNATURE_VERSION,
  HEARTBEAT_TIME_HEADER,
  signedText,
} from '../../../src/contract/heartbeat-terms.ts'

const TIMEOUT_MS = 4_000
/** A server that stops does not wait longer for an edge that is gone: it is missed by itself. */
const LEAVE_TIMEOUT_MS = 2_000

export type Announcer = {
  /** Says that no more calls are to come, and nothing after that. Never rejects, and takes 2 s at most. */
  leave(): Promise<void>
}

export type AnnouncerOptions = {
  /** The edge's own URL. */
  edgeUrl: string
  secret: string
  /** What is told each time. */
  heartbeat: () => Promise<Heartbeat>
  fetch: typeof globalThis.fetch
  nowMs: () => number
  /** Calls again and again; what it returns stops that. */
  every: (ms: number, call: () => void) => () => void
  log: (line: string) => void
}

export function startAnnouncer(options: AnnouncerOptions): Announcer {
  const { edgeUrl, secret, heartbeat, fetch, nowMs, every, log } = options
  const url = edgeUrl.replace(/\/+$/, '') + HEARTBEAT_PATH
  let lastTimeMs = 0
  let isLeaving = false
  let isSending = false
  let wasHeard: boolean | undefined

  async function send(body: Heartbeat, timeoutMs: number): Promise<void> {
    const text = JSON.stringify(body)
    // Later each time, also where the clock is set back: what is not later is taken for one that was sent before.
    lastTimeMs = Math.max(nowMs(), lastTimeMs + 1)
    const time = String(lastTimeMs)
    const signature = createHmac('sha256', secret).update(signedText(time, text)).digest('hex')
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        [HEARTBEAT_TIME_HEADER]: time,
        [HEARTBEAT_SIGNATURE_HEADER]: HEARTBEAT_SIGNATURE_VERSION + signature,
      },
      body: text,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    await response.body?.cancel()
    if (!response.ok) throw new Error(`it answered ${response.status}`)
  }

  /** Once when it begins or ceases to be heard, not every 5 s. */
  function say(isHeard: boolean, why = ''): void {
    if (isHeard === wasHeard) return
    wasHeard = isHeard
    log(isHeard ? `${edgeUrl} knows of this server.` : `${edgeUrl} does not hear this server: ${why}.`)
  }

  async function beat(): Promise<void> {
    if (isSending || isLeaving) return
    isSending = true
    try {
      const body = await heartbeat()
      if (isLeaving) return
      await send(body, TIMEOUT_MS)
      say(true)
    } catch (error) {
      say(false, error instanceof Error ? error.message : String(error))
    } finally {
      isSending = false
    }
  }

  const stop = every(HEARTBEAT_EVERY_MS, () => void beat())
  void beat()

  return {
    async leave() {
      isLeaving = true
      stop()
      try {
        await send({ ...(await heartbeat()), draining: true }, LEAVE_TIMEOUT_MS)
      } catch {
        // It is missed within 16 s.
      }
    },
  }
}
