/** An endpoint that is asked by a POST of JSON and answers with server-sent events. Maps in, calls, maps out; no policy. */
import type { ModelRequest, Upstream, UpstreamCall } from '../chat/ports.ts'
import type { AuthKind } from '../contract/provider-presets.ts'
import { AppError } from '../errors.ts'
import { byteReader, type Gathering } from './byte-reader.ts'
import type { ReadEvent } from './model-event.ts'
import { openCall } from './open-call.ts'
import { errorFromStatus } from './upstream-error.ts'
import type { WireBody } from './wire-body.ts'

/** Of an error's body. Enough for any message that we would forward. */
const ERROR_BODY_BYTES_MAX = 65_536

export type HttpEndpoint = {
  /** Without the path. */
  baseUrl: string
  /** Between it and `/chat/completions`. Absent: `/v1`. */
  path?: string | undefined
  apiKey?: string | undefined
  /** Absent: bearer. */
  auth?: AuthKind | undefined
  /** Sent with every call. Ours go before them. */
  headers?: Readonly<Record<string, string>> | undefined
  fetch: typeof fetch
}

export type HttpDialect = {
  body: WireBody
  /** How a call's answer may be read once it has begun. */
  gathering: (call: UpstreamCall) => Gathering | undefined
  /** Below the endpoint's path. Absent: OpenAI's. */
  paths?: Readonly<Record<ModelRequest['kind'], string>>
  headers?: Readonly<Record<string, string>>
  /** Makes one for each answer. Absent: OpenAI's events. */
  eventReader?: () => ReadEvent
}

const OPENAI_PATHS: Readonly<Record<ModelRequest['kind'], string>> = { chat: '/chat/completions', text: '/completions' }

const AUTH: Readonly<Record<AuthKind, (key: string) => Record<string, string>>> = {
  bearer: (key) => ({ authorization: `Bearer ${key}` }),
  'api-key': (key) => ({ 'api-key': key }),
  'x-api-key': (key) => ({ 'x-api-key': key }),
}

/** Every rejection of `open` is an AppError. */
export function httpUpstream(endpoint: HttpEndpoint, dialect: HttpDialect): Upstream {
  const { paths = OPENAI_PATHS, eventReader } = dialect
  const base = `${endpoint.baseUrl.replace(/\/+$/, '')}${endpoint.path ?? '/v1'}`
  const urls: Record<ModelRequest['kind'], string> = {
    chat: `${base}${paths.chat}`,
    text: `${base}${paths.text}`,
  }
  const fixedHeaders: Record<string, string> = {
    ...endpoint.headers,
    ...dialect.headers,
    'content-type': 'application/json',
    accept: 'text/event-stream',
    ...(endpoint.apiKey === undefined ? {} : AUTH[endpoint.auth ?? 'bearer'](endpoint.apiKey)),
  }

  return {
    open: (call, signal) =>
      openCall(call, signal, {
        answersWithinMs: call.timeouts.connect,
        async ask(connection, answered) {
          const response = await endpoint.fetch(urls[call.request.kind], {
            method: 'POST',
            headers: { ...fixedHeaders, 'x-request-id': call.requestId },
            body: JSON.stringify(dialect.body(call)),
            redirect: 'manual',
            signal: connection,
          })
          answered()
          if (response.status !== 200) throw await refusal(response)
          if (!response.body || !response.headers.get('content-type')?.toLowerCase().startsWith('text/event-stream')) {
            const cause = new Error(`Expected an event stream, got ${response.headers.get('content-type')}.`)
            throw new AppError('upstream_misconfigured', 'The model is set up wrongly on our side.', { cause })
          }
          const answering = { bytes: byteReader(response.body), gathering: dialect.gathering(call) }
          return eventReader ? { ...answering, readEvent: eventReader() } : answering
        },
      }),
  }
}

async function refusal(response: Response): Promise<AppError> {
  const text = await readStart(response)
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    // Not JSON, or longer than we read: the status alone decides.
  }
  return errorFromStatus(response.status, body, response.headers.get('retry-after'))
}

/** The body up to ERROR_BODY_BYTES_MAX; the rest is not read. */
async function readStart(response: Response): Promise<string> {
  if (!response.body) return ''
  const reader = response.body.getReader()
  const utf8 = new TextDecoder()
  let text = ''
  for (let bytes = 0; bytes < ERROR_BODY_BYTES_MAX; ) {
    const { done, value } = await reader.read()
    if (done) return text
    bytes += value.byteLength
    text += utf8.decode(value, { stream: true })
  }
  await reader.cancel()
  return text
}
