/** A model's server in the test's own process that counts its calls and says its events when the test lets it. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type GatedModel = {
  url: string
  /** The bodies it was called with, the oldest first. */
  calls: { body: Record<string, unknown>; gone: boolean }[]
  /** Lets every call say so many of its events; the first call and every later one. */
  release(events: number): void
  /** Breaks all connections off. */
  breakOff(): void
  /** Forgets calls and holds events back again. `status` other than 200 refuses every call. */
  reset(status?: number): void
  close(): Promise<void>
}

/** `events` are texts of server-sent events, the last one included. */
export async function gatedModel(events: readonly string[]): Promise<GatedModel> {
  let allowed = 0
  let refusal = 200
  let calls: GatedModel['calls'] = []
  let open: { response: ServerResponse; said: number }[] = []

  function sayMore(): void {
    for (const answer of open) {
      while (answer.said < Math.min(allowed, events.length)) answer.response.write(events[answer.said++])
      if (answer.said === events.length) answer.response.end()
    }
    open = open.filter(({ said }) => said < events.length)
  }

  const server = createServer(async (request, response) => {
    let text = ''
    for await (const bytes of request) text += bytes
    const call = { body: JSON.parse(text), gone: false }
    calls.push(call)
    response.on('close', () => {
      call.gone = !response.writableFinished
    })
    if (refusal !== 200) {
      response.writeHead(refusal, { 'content-type': 'application/json' })
      response.end('{"error":{"message":"No.","type":"server_error"}}')
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    open.push({ response, said: 0 })
    sayMore()
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  // Sound: a server that listens on a port has such an address.
  const { port } = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}`,
    get calls() {
      return calls
    },
    release(count) {
      allowed = count
      sayMore()
    },
    breakOff() {
      for (const { response } of open.splice(0)) response.destroy()
    },
    reset(status = 200) {
      for (const { response } of open.splice(0)) response.destroy()
      calls = []
      allowed = 0
      refusal = status
    },
    close: () =>
      new Promise((closed) => {
        server.close(() => closed())
        server.closeAllConnections()
      }),
  }
}
