/** How long an answer is worth having, as its caller says: what can no longer be in time gives its slot to others. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { RequestError } from './request-error.ts'

/** Whole milliseconds from the arrival of the request. */
const TIMEOUT_HEADER = 'x-request-timeout-ms'
const TIMEOUT_MAX_MS = 3_600_000

/** Told to a response whose headers are out when its time is up; it then ends as an incomplete one does. */
export const LATE = 'late'

export const tooLate = () => new RequestError('deadline_exceeded', `The time that ${TIMEOUT_HEADER} gives is over.`)

/**
 * Calls `refuse` when the time is up and nothing was sent; else tells the response.
 * @throws RequestError for a header that is no time
 */
export function watchDeadline(request: IncomingMessage, response: ServerResponse, refuse: () => void): void {
  const given = request.headers[TIMEOUT_HEADER]
  if (given === undefined) return
  const timeoutMs = Number(given)
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > TIMEOUT_MAX_MS) {
    const message = `The header ${TIMEOUT_HEADER} must be a whole number from 1 to ${TIMEOUT_MAX_MS}.`
    throw new RequestError('invalid_request', message, TIMEOUT_HEADER)
  }
  const timer = setTimeout(() => {
    if (response.headersSent) response.emit(LATE)
    else refuse()
  }, timeoutMs)
  response.once('close', () => clearTimeout(timer))
}
