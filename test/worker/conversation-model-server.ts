/**
 * Stands in for the inference server behind `fetch`, speaking its real protocol: a streamed chat completion with usage, finish
 * reason and [DONE], and POST /tokenize. It counts one token for each character, so that tests can reckon.
 */
import { vi } from 'vitest'

export type ModelCall = {
  path: string
  body: {
    model: string
    messages: { role: string; content: string }[]
    max_tokens?: number
    temperature?: number
    seed?: number
    prompt?: string
  }
}

type Reply =
  | { text: string; finishReason?: 'stop' | 'length' }
  | { status: number; error: { message: string; type: string; code?: string } }
  /** The connection ends in the middle of the answer. */
  | { text: string; cut: true }

export type ModelServer = {
  calls: ModelCall[]
  /** Calls that asked for a completion. */
  completions(): ModelCall[]
  tokenizations(): ModelCall[]
  /** Replies in turn; when there are no more, `answer N` with the number of the completion. */
  replies: Reply[]
  contextTokens: number
  /** Longer prompts are refused unread, by /tokenize too, as the real server does. */
  charsMax: number
  /** What /tokenize fails with, when set. */
  refuseCounts: { status: number; message: string; type: string } | undefined
  /** Completions from now on wait until the function it returns is called; the headers are sent at once. */
  hold(): () => void
  /** Resolves when this many completions have been asked for. */
  asked(count: number): Promise<void>
}

const TOO_LONG = 'context_length_exceeded'

export function modelServer(): ModelServer {
  let gate = Promise.resolve()
  const server: ModelServer = {
    calls: [],
    replies: [],
    contextTokens: 8_192,
    charsMax: Number.POSITIVE_INFINITY,
    refuseCounts: undefined,
    completions: () => server.calls.filter((call) => call.path !== '/tokenize'),
    tokenizations: () => server.calls.filter((call) => call.path === '/tokenize'),
    hold() {
      const held = Promise.withResolvers<void>()
      gate = held.promise
      return () => held.resolve()
    },
    async asked(count) {
      await vi.waitUntil(() => server.completions().length >= count, { timeout: 5_000, interval: 2 })
    },
  }

  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const request = new Request(input as RequestInfo, init as RequestInit)
    const { pathname } = new URL(request.url)
    const call: ModelCall = { path: pathname, body: await request.json() }
    server.calls.push(call)
    if (call.body.messages && tokensOf(call.body.messages) > server.charsMax) {
      const error = { message: 'too long', type: 'invalid_request_error', param: 'messages', code: TOO_LONG }
      return Response.json({ error }, { status: 400 })
    }
    if (pathname === '/tokenize') {
      if (server.refuseCounts) {
        const { status, ...error } = server.refuseCounts
        return Response.json({ error }, { status })
      }
      return Response.json({ count: tokensOf(call.body.messages), max_model_len: server.contextTokens })
    }
    const reply = server.replies.shift() ?? { text: `answer ${server.completions().length}` }
    if ('status' in reply) return Response.json({ error: reply.error }, { status: reply.status })
    return streamed(call, reply, gate)
  })
  return server
}

/** And characters. */
function tokensOf(messages: ModelCall['body']['messages']): number {
  return messages.reduce((sum, { content }) => sum + content.length, 0)
}

function streamed(call: ModelCall, reply: Extract<Reply, { text: string }>, gate: Promise<void>): Response {
  const isChat = call.path === '/v1/chat/completions'
  const head = {
    id: 'cmpl-1',
    object: isChat ? 'chat.completion.chunk' : 'text_completion',
    created: 1_764_000_000,
    model: call.body.model,
  }
  const piece = (content: string) => (isChat ? { delta: { content } } : { text: content, logprobs: null })
  const prompt_tokens = isChat ? tokensOf(call.body.messages) : (call.body.prompt?.length ?? 0)
  const completion_tokens = reply.text.length
  const half = Math.ceil(reply.text.length / 2)
  const finish_reason = 'finishReason' in reply ? reply.finishReason : 'stop'
  const events: object[] = [
    { ...head, choices: [{ index: 0, ...piece(reply.text.slice(0, half)), finish_reason: null }] },
    { ...head, choices: [{ index: 0, ...piece(reply.text.slice(half)), finish_reason: null }] },
    { ...head, choices: [{ index: 0, ...piece(''), finish_reason }] },
    {
      ...head,
      choices: [],
      usage: { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
    },
  ]
  const lines = ('cut' in reply ? events.slice(0, 1) : events).map((event) => `data: ${JSON.stringify(event)}\n\n`)
  if (!('cut' in reply)) lines.push('data: [DONE]\n\n')
  const body = new ReadableStream({
    async start(controller) {
      await gate
      for (const line of lines) controller.enqueue(new TextEncoder().encode(line))
      controller.close()
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
}
