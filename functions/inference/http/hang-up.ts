/** When a caller has left, as a signal for work that is done before an answer begins. */
import type { ServerResponse } from 'node:http'

/** Aborts when the connection closes; also after a whole answer, when nobody listens to it any more. */
export function untilHangUp(response: ServerResponse): AbortSignal {
  const left = new AbortController()
  if (response.destroyed) left.abort()
  else response.once('close', () => left.abort())
  return left.signal
}
