/** Whether a heartbeat is of somebody who has the secret, and of about now. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { HEARTBEAT_CLOCK_MS, HEARTBEAT_SIGNATURE_VERSION, signedText } from '../contract/heartbeat-terms.ts'

export type Signed = { time: string | undefined; signature: string | undefined; text: string }

/** Milliseconds since 1970 at which it was sent, or undefined: wrong in some way, and the answer does not say which. Constant time. */
export function verifiedTime({ time, signature, text }: Signed, secret: string, nowMs: number): number | undefined {
  if (time === undefined || !/^\d{13}$/.test(time)) return undefined
  const given = signature?.startsWith(HEARTBEAT_SIGNATURE_VERSION)
    ? signature.slice(HEARTBEAT_SIGNATURE_VERSION.length)
    : ''
  if (!/^[0-9a-f]{64}$/.test(given)) return undefined
  const expected = createHmac('sha256', secret).update(signedText(time, text)).digest('hex')
  const bytes = (hex: string) => new TextEncoder().encode(hex)
  if (!timingSafeEqual(bytes(given), bytes(expected))) return undefined
  const sentAtMs = Number(time)
  return Math.abs(nowMs - sentAtMs) <= HEARTBEAT_CLOCK_MS ? sentAtMs : undefined
}
