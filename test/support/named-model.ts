/** An endpoint in the test's own process that speaks OpenAI's protocol, and whose every answer says its name. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

export type NamedModel = { url: string; calls(): number; close(): Promise<void> }

const WORDS = 5

/** `msPerToken`: answers take a while, so that whatever happens meets some that are half said. */
export async function namedModel(name: string, msPerToken: number): Promise<NamedModel> {
  let calls = 0
  const server = createServer(async (request, response) => {
    calls += 1
    for await (const _ of request);
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let word = 0; word < WORDS; word++) {
      response.write(event({ choices: [{ index: 0, delta: { content: `${name} ` }, finish_reason: null }] }))
      await pause(msPerToken)
    }
    response.write(event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }))
    response.write(
      event({ choices: [], usage: { prompt_tokens: 3, completion_tokens: WORDS, total_tokens: 3 + WORDS } }),
    )
    response.end('data: [DONE]\n\n')
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  // Sound: a server that listens on a port has such an address.
  const { port } = server.address() as AddressInfo

  function event(body: object): string {
    const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_764_000_000, model: `model-${name}` }
    return `data: ${JSON.stringify({ ...head, ...body })}\n\n`
  }

  return {
    url: `http://127.0.0.1:${port}`,
    calls: () => calls,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed())
        server.closeAllConnections()
      }),
  }
}

/** What a whole answer of it is. */
export function answerOf(name: string): string {
  return `${name} `.repeat(WORDS)
}
