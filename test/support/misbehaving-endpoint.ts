/**
 * A model's server over raw TCP that misbehaves as each request asks it to: a message says `cell=ID fault=NAME`. So requests of all kinds
 * run side by side, and a test can ask afterwards which of them it saw.
 */
import { createServer, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { type AnswerBody, answerEvents } from './scripted-answer.ts'

export type Fault = keyof typeof FAULTS
export type EndpointCall = { cell: string; fault: Fault; body: AnswerBody; firstTokenAt?: number }

export type MisbehavingEndpoint = {
  url: string
  callsOf(cell: string): EndpointCall[]
  /** Connections that are open now. */
  open(): number
  close(): Promise<void>
}

/** Events of an answer: the roles, then tokens. So many tokens go by before a fault in the middle. */
const TOKENS_BEFORE = 5
const DONE = 'data: [DONE]\n\n'

type Wire = {
  socket: Socket
  /** Raw bytes. */
  write(bytes: string | Uint8Array): void
  headers(status: number, more?: Record<string, string>): void
  /** One HTTP chunk. */
  chunk(bytes: string | Uint8Array): void
  /** The last chunk, and the end. */
  end(): void
  reset(): void
  answerTo(body: AnswerBody): string[]
  call: EndpointCall
  /** How often this cell was here. */
  turn: number
}

async function refuse(
  wire: Wire,
  status: number,
  more: Record<string, string> = {},
  error: object = {},
): Promise<void> {
  const text = JSON.stringify({ error: { message: 'No.', type: 'server_error', ...error } })
  wire.headers(status, { 'content-type': 'application/json', ...more })
  wire.chunk(text)
  wire.end()
}

/** The roles and some tokens, then what the fault does. */
async function midway({ call, chunk, headers, answerTo }: Wire): Promise<string[]> {
  const events = answerTo(call.body)
  const roles = call.body.n ?? 1
  headers(200)
  for (const event of events.slice(0, roles + TOKENS_BEFORE)) chunk(event)
  return events.slice(roles + TOKENS_BEFORE)
}

async function whole(wire: Wire, without: 'usage' | 'done' | 'nothing' = 'nothing'): Promise<void> {
  const events = wire.answerTo(wire.call.body)
  wire.headers(200)
  const roles = wire.call.body.n ?? 1
  for (const [at, event] of (without === 'usage' ? events.slice(0, -1) : events).entries()) {
    if (at === roles) wire.call.firstTokenAt = performance.now()
    wire.chunk(event)
  }
  if (without === 'nothing') wire.chunk(DONE)
}

const hang = async () => {}
const status = (code: number, headers?: Record<string, string>) => (wire: Wire) => refuse(wire, code, headers)

export const FAULTS = {
  none: async (wire: Wire) => {
    await whole(wire)
    wire.end()
  },
  reset: async ({ reset }: Wire) => reset(),
  closes: async ({ socket }: Wire) => void socket.end(),
  garbage: async ({ socket }: Wire) => void socket.end('SSH-2.0-OpenSSH_9.9\r\n'),
  redirect: status(302, { location: 'http://127.0.0.1:9/' }),
  'status 400': status(400),
  'status 401': status(401),
  'status 403': status(403),
  'status 404': status(404),
  'status 408': status(408),
  'status 422': status(422),
  'status 429': status(429),
  'status 429, Retry-After': status(429, { 'retry-after': '30' }),
  'status 500': status(500),
  'status 502': status(502),
  'status 503': status(503),
  'status 503, Retry-After': status(503, { 'retry-after': '30' }),
  'status 504': status(504),
  'status 529': status(529),
  'too long': (wire: Wire) => refuse(wire, 400, {}, { code: 'context_length_exceeded' }),
  'content filter': (wire: Wire) => refuse(wire, 400, {}, { code: 'content_filter', message: 'This was filtered.' }),
  hangs: hang,
  'hangs after the headers': async ({ headers }: Wire) => headers(200),
  'says that it is alive for ever': async ({ headers, chunk, socket }: Wire) => {
    headers(200)
    while (!socket.destroyed) {
      chunk(': waiting\n\n')
      await pause(100)
    }
  },
  'slow first token': async (wire: Wire) => {
    wire.headers(200)
    await pause(250)
    for (const event of wire.answerTo(wire.call.body)) wire.chunk(event)
    wire.chunk(DONE)
    wire.end()
  },
  'ends before its first event': async ({ headers, end }: Wire) => {
    headers(200)
    end()
  },
  'resets before its first event': async ({ headers, reset }: Wire) => {
    headers(200)
    await pause(20)
    reset()
  },
  'ends after the role': async ({ call, headers, chunk, end, answerTo }: Wire) => {
    headers(200)
    chunk(answerTo(call.body)[0] ?? '')
    end()
  },
  'resets midway': async (wire: Wire) => {
    await midway(wire)
    await pause(20)
    wire.reset()
  },
  'ends midway': async (wire: Wire) => {
    await midway(wire)
    wire.end()
  },
  'closes midway': async (wire: Wire) => {
    await midway(wire)
    wire.write('400\r\ndata: {"choi')
    wire.socket.end()
  },
  'stalls midway': async (wire: Wire) => {
    await midway(wire)
  },
  'stalls inside an event': async (wire: Wire) => {
    const [next = ''] = await midway(wire)
    wire.chunk(next.slice(0, 40))
  },
  'trickles before its first token': async ({ headers, chunk, socket }: Wire) => {
    headers(200)
    chunk('data: {"choices":[')
    while (!socket.destroyed) {
      chunk(' ')
      await pause(50)
    }
  },
  'trickles midway': async (wire: Wire) => {
    await midway(wire)
    wire.chunk('data: {"choices":[')
    while (!wire.socket.destroyed) {
      wire.chunk(' ')
      await pause(50)
    }
  },
  'says [DONE] midway': async (wire: Wire) => {
    await midway(wire)
    wire.chunk(DONE)
    wire.end()
  },
  'reports an error midway': async (wire: Wire) => {
    await midway(wire)
    wire.chunk('data: {"error":{"message":"CUDA out of memory at 10.0.0.7","code":500}}\n\n')
    wire.end()
  },
  'reports an error at once': async ({ headers, chunk, end }: Wire) => {
    headers(200)
    chunk('data: {"error":{"message":"CUDA out of memory","code":500}}\n\n')
    end()
  },
  'malformed at once': async ({ headers, chunk, end }: Wire) => {
    headers(200)
    chunk('data: {"choices":[{"index":0,"delta":{"content":"never\n\n')
    end()
  },
  'malformed midway': async (wire: Wire) => {
    const rest = await midway(wire)
    wire.chunk('data: {"choices":[{"index":0,"delta":{"content":"never\n\n')
    for (const event of rest) wire.chunk(event)
    wire.end()
  },
  'of another shape midway': async (wire: Wire) => {
    const rest = await midway(wire)
    wire.chunk('data: {"choices":[{"index":0,"delta":{"content":{"never":1}}}]}\n\n')
    for (const event of rest) wire.chunk(event)
    wire.end()
  },
  'pings midway': async (wire: Wire) => {
    const rest = await midway(wire)
    for (const event of rest) wire.chunk(`data: {"type":"ping"}\n\n: comment\n\n${event}`)
    wire.chunk(DONE)
    wire.end()
  },
  'without [DONE]': async (wire: Wire) => {
    await whole(wire, 'done')
    wire.end()
  },
  'without [DONE], kept open': async (wire: Wire) => {
    await whole(wire, 'done')
  },
  'resets after the finish reason': async (wire: Wire) => {
    await whole(wire, 'usage')
    await pause(20)
    wire.reset()
  },
  'malformed after the finish reason': async (wire: Wire) => {
    await whole(wire, 'usage')
    wire.chunk('data: {"choices":[{\n\n')
    wire.end()
  },
  'cut inside characters': async ({ call, headers, chunk, end, answerTo }: Wire) => {
    headers(200)
    const bytes = new TextEncoder().encode(answerTo(call.body).join('') + DONE)
    for (let at = 0; at < bytes.length; at++) {
      // Behind every first byte of a character of several.
      let to = at + 1
      while (to < bytes.length && (bytes[to - 1] ?? 0) < 0xc0) to++
      chunk(bytes.subarray(at, to))
      at = to - 1
      if (to < bytes.length) await pause(1)
    }
    end()
  },
  'HTML with status 200': async ({ headers, chunk, end }: Wire) => {
    headers(200, { 'content-type': 'text/html' })
    chunk('<h1>Welcome</h1>')
    end()
  },
  'JSON with status 200': async ({ headers, chunk, end }: Wire) => {
    headers(200, { 'content-type': 'application/json' })
    chunk('{"choices":[{"index":0,"message":{"content":"whole"}}]}')
    end()
  },
  'oversized midway': async (wire: Wire) => {
    await midway(wire)
    wire.chunk('data: {"choices":[{"index":0,"delta":{"content":"')
    for (let mebibytes = 0; mebibytes < 9 && !wire.socket.destroyed; mebibytes++) {
      wire.chunk(MEBIBYTE)
      await pause(1)
    }
    wire.chunk('"}}]}\n\n')
    wire.end()
  },
  /** Down for two calls, then up. */
  flaps: async (wire: Wire) => {
    if (wire.turn < 2) return wire.reset()
    await whole(wire)
    wire.end()
  },
} satisfies Record<string, (wire: Wire) => Promise<void>>

const MEBIBYTE = new Uint8Array(1_048_576).fill(0x61)

/** `forced`: misbehaves so, whatever a request asks for. */
export async function misbehavingEndpoint(forced?: Fault): Promise<MisbehavingEndpoint> {
  const calls: EndpointCall[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    socket.setNoDelay(true)
    let bytes = Buffer.alloc(0)
    const onData = (more: Buffer) => {
      bytes = Buffer.concat([bytes, more])
      const text = requestBody(bytes)
      if (text === undefined) return
      socket.off('data', onData)
      socket.resume()
      const body: AnswerBody = JSON.parse(text)
      const asked = body.messages.map(({ content }) => content).join(' ')
      const cell = /cell=(\S+)/.exec(asked)?.[1] ?? ''
      // Sound: tests write the names of this table; another one is a test's mistake, which throws below.
      const fault = forced ?? ((/fault=([^;]+);/.exec(asked)?.[1] ?? 'none') as Fault)
      const turn = calls.filter((call) => call.cell === cell).length
      const call: EndpointCall = { cell, fault, body }
      calls.push(call)
      const wire = wireOf(socket, call, turn)
      const said = answerEvents(body) === undefined ? refuse(wire, 400) : FAULTS[fault](wire)
      void said.catch(() => socket.destroy())
    }
    socket.on('data', onData)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The server has no port.')
  return {
    url: `http://127.0.0.1:${address.port}`,
    callsOf: (cell) => calls.filter((call) => call.cell === cell),
    open: () => sockets.size,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

/** Undefined while it is not whole. */
function requestBody(bytes: Buffer): string | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const length = Number(/content-length: *(\d+)/i.exec(bytes.subarray(0, end).toString('latin1'))?.[1] ?? '0')
  return bytes.length >= end + 4 + length ? bytes.subarray(end + 4, end + 4 + length).toString('utf8') : undefined
}

function wireOf(socket: Socket, call: EndpointCall, turn: number): Wire {
  const write = (bytes: string | Uint8Array) => {
    if (!socket.destroyed) socket.write(bytes)
  }
  return {
    socket,
    call,
    turn,
    write,
    headers(code, more = {}) {
      const headers = {
        'content-type': 'text/event-stream',
        ...more,
        'transfer-encoding': 'chunked',
        connection: 'close',
      }
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
      write(`HTTP/1.1 ${code} Status\r\n${lines.join('')}\r\n`)
    },
    chunk(bytes) {
      const content = typeof bytes === 'string' ? Buffer.from(bytes) : bytes
      write(Buffer.concat([Buffer.from(`${content.byteLength.toString(16)}\r\n`), content, Buffer.from('\r\n')]))
    },
    end() {
      write('0\r\n\r\n')
      socket.end()
    },
    reset: () => socket.resetAndDestroy(),
    answerTo(body) {
      const events = answerEvents(body)
      if (events === undefined) throw new Error('Cannot go on from there.')
      return events
    },
  }
}
