/** The adapter for endpoints that speak OpenAI's protocol, our inference server first among them. Maps in, calls, maps out; no policy. */
import type { ModelRequest, Upstream, UpstreamCall } from '../chat/ports.ts'
import type { PerigeeRequest } from '../contract/inference-wire.ts'
import { AppError } from '../errors.ts'
import { byteReader, GATHER_STREAM, GATHER_WHOLE, type Gathering } from './byte-reader.ts'
import { deadline } from './deadline.ts'
import { modelStream } from './model-stream.ts'
import { errorFromStatus } from './upstream-error.ts'

/** Four events a second: nobody waits longer for the end, and a server that dies has sent all but the last quarter of a second. */
const GATHER_MS = 250

/** Of an error's body. Enough for any message that we would forward. */
const ERROR_BODY_BYTES_MAX = 65_536

type Options = {
  /** Without the `/v1`. */
  baseUrl: string
  /** Sent as a bearer token. */
  apiKey?: string | undefined
  /**
   * Says of an endpoint that it ends its response when it ends its answer, as our inference server does. Then a fast answer is read in
   * larger pieces; of an endpoint that kept the connection open, the last piece would come late.
   */
  endsResponse?: boolean
  /**
   * Says of an endpoint that it knows `perigee.gather_ms`, as our inference server does: asked so for callers who do not stream, it sends
   * some events a second instead of one a token, and each costs the edge the same.
   */
  gathers?: boolean
  fetch: typeof fetch
}

/** Every rejection of `open` is an AppError. */
export function openaiUpstream(options: Options): Upstream {
  const base = options.baseUrl.replace(/\/+$/, '')
  const urls: Record<ModelRequest['kind'], string> = {
    chat: `${base}/v1/chat/completions`,
    text: `${base}/v1/completions`,
  }
  const fixedHeaders: Record<string, string> = {
    'content-type': 'application/json',
    accept: 'text/event-stream',
    ...(options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` }),
  }

  function gatheringFor(call: UpstreamCall): Gathering | undefined {
    if (!options.endsResponse) return undefined
    return call.request.body.stream === true ? GATHER_STREAM : GATHER_WHOLE
  }

  return {
    async open(call, signal) {
      // Both ends of the call give up through `connection`; `reason` says which of them it was.
      const connection = new AbortController()
      let reason: AppError | undefined
      const giveUp = (why: AppError) => {
        reason ??= why
        connection.abort()
      }
      const onHangUp = () => giveUp(new AppError('caller_gone', 'The caller hung up.'))
      if (signal.aborted) throw new AppError('caller_gone', 'The caller hung up.')
      signal.addEventListener('abort', onHangUp, { once: true })
      const limit = deadline({
        totalMs: call.timeouts.total,
        onExpire: () => giveUp(new AppError('upstream_timeout', 'The model did not answer in time.')),
      })
      const release = () => {
        limit.stop()
        signal.removeEventListener('abort', onHangUp)
      }
      try {
        limit.wait(call.timeouts.connect)
        const response = await options.fetch(urls[call.request.kind], {
          method: 'POST',
          headers: { ...fixedHeaders, 'x-request-id': call.requestId },
          body: JSON.stringify(wireBody(call, options.gathers === true)),
          redirect: 'manual',
          signal: connection.signal,
        })
        limit.wait(call.timeouts.firstToken)
        if (response.status !== 200) throw await refusal(response)
        if (!response.body || !response.headers.get('content-type')?.startsWith('text/event-stream')) {
          const cause = new Error(`Expected an event stream, got ${response.headers.get('content-type')}.`)
          throw new AppError('upstream_misconfigured', 'The model is set up wrongly on our side.', { cause })
        }
        return await modelStream({
          bytes: byteReader(response.body),
          gathering: gatheringFor(call),
          timeouts: call.timeouts,
          choices: call.request.body.n ?? 1,
          limit,
          reason: () => reason,
          close: () => connection.abort(),
          release,
        })
      } catch (thrown) {
        connection.abort()
        release()
        if (reason) throw reason
        if (thrown instanceof AppError) throw thrown
        throw new AppError('upstream_unavailable', 'The model cannot be reached.', { cause: thrown })
      }
    },
  }
}

/** What goes over the wire: the caller's body, always as a stream with usage and token ids, so that the answer has one shape here. */
function wireBody(call: UpstreamCall, gathers: boolean): object {
  const { body } = call.request
  const gathered = gathers && body.stream !== true
  const reserved: PerigeeRequest = {
    ...(call.drawnSeed ? { drawn_seed: true } : {}),
    ...(gathered ? { gather_ms: GATHER_MS } : {}),
    ...(call.continueFrom ? { continue: call.continueFrom } : {}),
  }
  return {
    ...body,
    model: call.model,
    seed: call.seed,
    stream: true,
    stream_options: { ...body.stream_options, include_usage: true },
    return_token_ids: true,
    perigee: call.drawnSeed || gathered || call.continueFrom ? reserved : undefined,
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
