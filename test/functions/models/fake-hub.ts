/** A Hub on this machine that can redirect, break off, lie, or refuse; it notes what it was asked. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Asked = { method: string; path: string; range: string | undefined; authorization: string | undefined }

export type FakeHub = { url: string; asked: Asked[]; close(): Promise<void> }

export type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void

/** `count` is 1 for the first request. */
export async function fakeHub(answer: Answer): Promise<FakeHub> {
  const asked: Asked[] = []
  const server: Server = createServer((request, response) => {
    const { method = '', url = '', headers } = request
    asked.push({ method, path: url, range: headers.range, authorization: headers.authorization })
    answer(request, response, asked.length)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP, so the address is no pipe's name.
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

/** Serves the bytes, and the rest of them to a Range request. */
export const serve =
  (bytes: Buffer): Answer =>
  (request, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const isPart = request.headers.range !== undefined
    if (isPart) response.setHeader('content-range', `bytes ${from}-${bytes.length - 1}/${bytes.length}`)
    response.writeHead(isPart ? 206 : 200, { 'content-length': bytes.length - from })
    response.end(bytes.subarray(from))
  }
