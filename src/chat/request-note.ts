/** What is told of a request to those who keep a log of them. */
import type { CompleteCall, RequestNote } from './ports.ts'

export function requestNote({ request, requestId, caller }: CompleteCall): RequestNote {
  const { stream, user } = request.body
  return { requestId, stream: stream === true, endUser: typeof user === 'string' ? user : undefined, caller }
}
