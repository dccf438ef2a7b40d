/** How heartbeats are sent and signed, apart from their schema: an isolate that gets none makes no schema. */

export const HEARTBEAT_PATH = '/endpoints/heartbeat'
export const HEARTBEAT_EVERY_MS = 5_000
/** Three that did not come, and a second for the last to be late. */
export const HEARTBEAT_KEPT_MS = 3 * HEARTBEAT_EVERY_MS + 1_000
/** How far the server's clock may be from ours. */
export const HEARTBEAT_CLOCK_MS = 60_000

/** Milliseconds since 1970 at which it was sent; later in each of one instance, so that none is taken twice. */
export const HEARTBEAT_TIME_HEADER = 'x-perigee-time'
/** `v1=` and the HMAC-SHA256 of `signedText` under the shared secret, 64 lower-case hexadecimal digits. */
export const HEARTBEAT_SIGNATURE_HEADER = 'x-perigee-signature'
export const HEARTBEAT_SIGNATURE_VERSION = 'v1='

/** What is signed. `body` as it is sent, byte for byte. */
export function signedText(time: string, body: string): string {
  return `POST ${HEARTBEAT_PATH}\n${time}\n${body}`
}
