/** How a request came, for the log of requests. */
import type { CallerNote } from '../chat/ports.ts'
import { type AppContext, endpointOf } from './route.ts'

/** Enough for a name and its version. */
const CLIENT_CHARS_MAX = 128

export function callerNote(context: AppContext): CallerNote {
  return {
    endpoint: endpointOf(context),
    client: context.req.header('user-agent')?.slice(0, CLIENT_CHARS_MAX),
    arrivedAtMs: context.get('arrivedAtMs'),
  }
}
