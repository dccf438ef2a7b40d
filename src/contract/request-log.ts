/** What may be asked of the log of requests. */
import * as z from 'zod/mini'
import { MODEL_CHARS_MAX } from './chat-completion.ts'
import { momentSchema } from './moment.ts'

/** `log_`, the time, an isolate, a number. */
export const LOG_ID = /^log_[0-9a-z]{18,32}$/
export const logCursorSchema = z.string().check(z.regex(LOG_ID, 'must be a `next` of this list'))

const moment = z.optional(momentSchema)
const text = (charsMax: number) => z.optional(z.string().check(z.minLength(1), z.maxLength(charsMax)))

export const requestFilters = {
  /** From this moment on, and before that one: of the request's start. Milliseconds once they are parsed. */
  from: moment,
  to: moment,
  key_id: text(64),
  user_id: text(256),
  model: text(MODEL_CHARS_MAX),
  request_id: text(128),
  status: z.optional(z.string().check(z.regex(/^(ok|error|200|[45]\d\d)$/, 'must be ok, error, or a status as 429'))),
  code: z.optional(z.string().check(z.regex(/^[a-z_]{2,64}$/, 'must be ok or an error code'))),
  cache: z.optional(z.enum(['hit', 'miss', 'join', 'bypass'])),
  /** At least so many calls of deployments. */
  attempts: z.optional(
    z.pipe(z.string().check(z.regex(/^\d$/, 'must be a digit: at least so many')), z.transform(Number)),
  ),
}
