/** Stands before an inference server and counts, for every answer that it streams, the tokens that were generated. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export type CountedAnswer = {
  seed: unknown
  /** Tokens that the request brought along; undefined for an answer that begins here. */
  replayed: number | undefined
  generated: number
}

export type CountingProxy = { url: string; answers: CountedAnswer[]; close(): Promise<void> }

type Body = { seed?: unknown; perigee?: { continue?: { output_token_ids: number[] } } }
type Event = { choices?: { token_ids?: number[] }[] }

export async function countingProxy(target: string): Promise<CountingProxy> {
  const answers: CountedAnswer[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const bytes of request) text += bytes
    const body: Body = text === '' ? {} : JSON.parse(text)
    const counted = {
      seed: body.seed,
      replayed: body.perigee?.continue?.output_token_ids.length,
      generated: 0,
    }
    answers.push(counted)
    const gone = new AbortController()
    response.on('close', () => gone.abort())
    try {
      const answer = await fetch(`${target}${request.url}`, {
        method: request.method ?? 'POST',
        headers: { 'content-type': 'application/json' },
        ...(text === '' ? {} : { body: text }),
        signal: gone.signal,
      })
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' })
      const decoder = new TextDecoder()
      let rest = ''
      for await (const bytes of answer.body ?? []) {
        response.write(bytes)
        const blocks = (rest + decoder.decode(bytes, { stream: true })).split('\n\n')
        rest = blocks.pop() ?? ''
        for (const block of blocks) counted.generated += tokensIn(block)
      }
      response.end()
    } catch {
      response.destroy()
    }
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  // Sound: a server that listens on a port has such an address.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    answers,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed())
        server.closeAllConnections()
      }),
  }
}

function tokensIn(block: string): number {
  if (!block.startsWith('data: {')) return 0
  const { choices = [] }: Event = JSON.parse(block.slice('data: '.length))
  return choices.reduce((sum, { token_ids = [] }) => sum + token_ids.length, 0)
}
