/** A provider of models as a new user has one: lists them, wants its key, and answers in OpenAI's protocol with what it was asked. */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

export type MockProvider = {
  url: string
  /** What came, newest last: method, path and key. */
  seen: { method: string; path: string; authorization: string | undefined; body: string }[]
  close(): Promise<void>
}

/** `port` 0: any that is free. */
export async function mockProvider(options: {
  key: string
  models: readonly string[]
  port?: number
}): Promise<MockProvider> {
  const seen: MockProvider['seen'] = []
  const server = createServer(async (request, response) => {
    const body = await textOf(request)
    const { authorization } = request.headers
    seen.push({ method: request.method ?? '', path: request.url ?? '', authorization, body })
    const json = (status: number, value: object) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    }
    if (authorization !== `Bearer ${options.key}`) {
      return json(401, {
        error: { message: 'Incorrect API key provided.', type: 'invalid_request_error', code: 'invalid_api_key' },
      })
    }
    if (request.url === '/v1/models') {
      return json(200, {
        object: 'list',
        data: options.models.map((id) => ({ id, object: 'model', owned_by: 'mock' })),
      })
    }
    if (request.url !== '/v1/chat/completions') return json(404, { error: { message: 'Not found', code: null } })
    const asked = JSON.parse(body) as { model: string; messages: { content: unknown }[] }
    const text = `${asked.model} was asked: ${String(asked.messages.at(-1)?.content)}`
    const head = { id: 'chatcmpl-mock', object: 'chat.completion.chunk', created: 1_764_000_000, model: asked.model }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const event of [
      { ...head, choices: [{ index: 0, delta: { role: 'assistant', content: text }, finish_reason: null }] },
      { ...head, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
      { ...head, choices: [], usage: { prompt_tokens: 9, completion_tokens: 6, total_tokens: 15 } },
    ]) {
      response.write(`data: ${JSON.stringify(event)}\n\n`)
    }
    response.end('data: [DONE]\n\n')
  })
  await new Promise<void>((done) => server.listen(options.port ?? 0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    close: () => new Promise((done) => server.close(() => done())),
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}
