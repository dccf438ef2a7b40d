/** Many mutated requests at a server, several at once; every answer is held to what any answer must be. */
import { seededRandom } from '../../support/seeded-random.ts'
import { mutatedRequest, type RawRequest } from './mutate-request.ts'
import { type RawAnswer, sendRaw } from './send-raw.ts'

export type FuzzOutcome = {
  /** By status, or `left` and `broken`. */
  counts: Record<string, number>
  /** Answers that no request may get, with the request that got them; at most WRONG_MAX are kept. */
  wrong: { why: string; request: string; answer: string }[]
}

const CALLERS = 16
const WRONG_MAX = 20

/** @param onDone called after each request, for progress and for looking at memory */
export async function fuzz(
  url: string,
  options: { seed: number; requests: number; onDone?: (done: number) => void },
): Promise<FuzzOutcome> {
  const random = seededRandom(options.seed)
  const outcome: FuzzOutcome = { counts: {}, wrong: [] }
  let started = 0
  let done = 0
  const caller = async () => {
    while (started++ < options.requests) {
      const request = mutatedRequest(random)
      const answer = await sendRaw(url, request)
      const key = answer.kind === 'answer' ? String(answer.status) : answer.kind
      outcome.counts[key] = (outcome.counts[key] ?? 0) + 1
      const why = wrongBecause(request, answer)
      if (why !== null && outcome.wrong.length < WRONG_MAX) {
        const shown = { ...request, body: request.body.toString().slice(0, 2_000) }
        outcome.wrong.push({ why, request: JSON.stringify(shown), answer: JSON.stringify(answer).slice(0, 2_000) })
      }
      done += 1
      options.onDone?.(done)
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  return outcome
}

/** Null when the answer is one that a caller may get. */
export function wrongBecause(request: RawRequest, answer: RawAnswer): string | null {
  if (answer.kind === 'left') return null
  // Node itself closes on a request line or header that is no HTTP; ours are all HTTP.
  if (answer.kind === 'broken') return 'the connection broke'
  const { status, text } = answer
  if (status === 503 && text.includes('"queue_full"')) return null
  if (status >= 500) return `status ${status}`
  if (/\bat (file:|node:|\/)|node_modules|\.ts:\d/.test(text)) return 'it shows the inside of the server'
  if (request.method === 'HEAD' || status === 204) return null
  if (status >= 400) return isErrorEnvelope(text) ? null : 'its error is not OpenAI’s envelope'
  if (!text.startsWith('data: ') && !text.startsWith(': waiting')) return null
  return text.endsWith('data: [DONE]\n\n') ? null : 'its stream did not end with [DONE]'
}

function isErrorEnvelope(text: string): boolean {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return false
  }
  if (typeof body !== 'object' || body === null || !('error' in body)) return false
  const { error } = body
  if (typeof error !== 'object' || error === null) return false
  const has = (field: string) => typeof Reflect.get(error, field) === 'string' && Reflect.get(error, field) !== ''
  return has('message') && has('type') && has('code')
}
