/**
 * An inference server inside the test: speaks the real protocol over the Worker's own `fetch`, and misbehaves on command. Like the
 * platform's fetch it fails its body when the call is aborted.
 */
import { vi } from 'vitest'
import type { ChatChunk, ChatChunkChoice, Usage } from '../../src/contract/chat-completion.ts'

export type ModelCall = {
  url: string
  headers: Headers
  body: Record<string, unknown>
  redirect: string | undefined
  /** What the edge aborts when it gives up. */
  signal: AbortSignal
}

type Answer = (call: ModelCall) => Response | Promise<Response>

/** Replaces `fetch` until `vi.unstubAllGlobals`. */
export function fakeModel(answer: Answer): { calls: ModelCall[]; lastCall(): ModelCall } {
  const calls: ModelCall[] = []
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    const call: ModelCall = {
      url,
      headers: new Headers(init.headers),
      body: JSON.parse(String(init.body)),
      redirect: init.redirect,
      signal: init.signal ?? new AbortController().signal,
    }
    calls.push(call)
    return answer(call)
  })
  return {
    calls,
    lastCall() {
      const call = calls.at(-1)
      if (!call) throw new Error('The model was not called.')
      return call
    },
  }
}

export type LiveAnswer = {
  response: Response
  write(text: string): void
  event(event: unknown): void
  end(): void
  /** The connection breaks. */
  breakOff(): void
}

/** An event stream that the test writes as it goes, through the platform's own pipe as a fetched body is. */
export function liveAnswer(
  call: ModelCall,
  headers: HeadersInit = { 'content-type': 'text/event-stream' },
): LiveAnswer {
  const encoder = new TextEncoder()
  const { readable, writable } = new IdentityTransformStream()
  const writer = writable.getWriter()
  // The edge is free to leave: then what is still written goes nowhere.
  const ignore = () => undefined
  const breakOff = (reason: unknown) => void writer.abort(reason).catch(ignore)
  call.signal.addEventListener('abort', () => breakOff(call.signal.reason))
  const write = (text: string) => void writer.write(encoder.encode(text)).catch(ignore)
  return {
    response: new Response(readable, { headers }),
    write,
    event: (event) => write(sse(event)),
    end: () => void writer.close().catch(ignore),
    breakOff: () => breakOff(new Error('Network connection lost.')),
  }
}

/** The same, written at once and ended. */
export function wholeAnswer(...events: (string | object)[]): Answer {
  return () =>
    new Response(events.map((event) => (typeof event === 'string' ? event : sse(event))).join(''), {
      headers: { 'content-type': 'text/event-stream; charset=utf-8' },
    })
}

export function sse(event: unknown): string {
  return `data: ${JSON.stringify(event)}\n\n`
}

export const DONE = 'data: [DONE]\n\n'
export const USAGE: Usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 }

/** One event of a chat stream, as our server writes it. */
export function chunk(choice: Partial<ChatChunkChoice>, more: Partial<ChatChunk> = {}): ChatChunk {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1_764_000_000,
    model: 'smollm2-135m-instruct',
    system_fingerprint: 'fp_1',
    choices: [{ index: 0, delta: {}, finish_reason: null, ...choice }],
    ...more,
  }
}

export function usageChunk(usage: Usage = USAGE): ChatChunk {
  return { ...chunk({}), choices: [], usage }
}

/** `Hello world`, with token ids, usage and the end, as our server answers the edge. */
export const HELLO: readonly (string | object)[] = [
  ': waiting\n\n',
  chunk({ delta: { role: 'assistant', content: '' } }, { prompt_token_ids: [1, 2, 3, 4, 5], usage: null }),
  chunk({ delta: { content: 'Hello' }, token_ids: [10] }, { usage: null }),
  chunk({ delta: { content: ' world' }, token_ids: [11] }, { usage: null }),
  chunk({ delta: {}, finish_reason: 'stop', token_ids: [] }, { usage: null }),
  usageChunk(),
  DONE,
]
