/** Asks an upstream which models it has, before anything is started: wrong addresses and keys are told at once. */
import type { AuthKind } from '../../src/contract/provider-presets.ts'

export type UpstreamModels =
  | { kind: 'models'; path: string; ids: readonly string[] }
  /** It answers, but not with a list. */
  | { kind: 'unlisted'; reason: string }
  | { kind: 'refused'; status: number }
  | { kind: 'unreachable'; reason: string }

const WITHIN_MS = 3_000
const BODY_BYTES_MAX = 4_194_304

const AUTH: Readonly<Record<AuthKind, (key: string) => Record<string, string>>> = {
  bearer: (key) => ({ authorization: `Bearer ${key}` }),
  'api-key': (key) => ({ 'api-key': key }),
  'x-api-key': (key) => ({ 'x-api-key': key, 'anthropic-version': '2023-06-01' }),
}

/** Tries each of `paths` in the time of one. Never rejects. */
export async function listUpstreamModels(options: {
  url: string
  paths: readonly string[]
  auth: AuthKind
  key: string | undefined
  fetch: typeof fetch
  withinMs?: number
}): Promise<UpstreamModels> {
  const { withinMs = WITHIN_MS } = options
  const signal = AbortSignal.timeout(withinMs)
  let last: UpstreamModels = { kind: 'unlisted', reason: 'it was not asked' }
  for (const path of options.paths) {
    try {
      const response = await options.fetch(`${options.url}${path}/models`, {
        headers: { accept: 'application/json', ...(options.key === undefined ? {} : AUTH[options.auth](options.key)) },
        redirect: 'manual',
        signal,
      })
      const { status } = response
      if (status === 401 || status === 403) {
        await response.body?.cancel()
        return { kind: 'refused', status }
      }
      const ids = status === 200 ? idsOf(await readStart(response)) : undefined
      if (status !== 200) await response.body?.cancel()
      if (ids && ids.length > 0) return { kind: 'models', path, ids }
      last = { kind: 'unlisted', reason: status === 200 ? 'the answer is no list of models' : `it answered ${status}` }
    } catch (error) {
      if (signal.aborted) return { kind: 'unlisted', reason: `no answer within ${withinMs / 1_000} s` }
      return { kind: 'unreachable', reason: codeOf(error) }
    }
  }
  return last
}

/** OpenAI's list, or the bare array that some send. Undefined: neither. */
function idsOf(text: string): string[] | undefined {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return undefined
  }
  const list = typeof body === 'object' && body !== null && 'data' in body ? body.data : body
  if (!Array.isArray(list)) return undefined
  return list.flatMap((entry) => (typeof entry?.id === 'string' && entry.id !== '' ? [entry.id] : []))
}

async function readStart(response: Response): Promise<string> {
  const utf8 = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    // What is longer is no list that could be served: half of it is not JSON.
    if (bytes > BODY_BYTES_MAX) break
    text += utf8.decode(chunk, { stream: true })
  }
  return text
}

/** Node hides it below "fetch failed". */
function codeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code
  return cause instanceof Error ? cause.message : String(error)
}
