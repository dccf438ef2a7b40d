/** Which connections of a server nobody is answered on: a server that stops closes them, and waits for the others. */
import type { Server as NodeServer, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** What still comes of a request that was refused is read for so long: a connection closed on it would take the answer along. */
const REST_OF_BODY_MS = 1_000

export type Connections = {
  /** From now on: those without an answer in flight at once, the others when theirs has ended. */
  closeUnused(): void
}

/**
 * node's closeIdleConnections passes over those on which nothing, or half a head, has come: for it a request has begun there. Clients open
 * such connections in store, and each would hold a server that stops for the whole of its grace.
 */
export function watchConnections(http: NodeServer): Connections {
  const answering = new Map<Socket, Set<ServerResponse>>()
  let isClosing = false

  function closeIfUnused(socket: Socket) {
    if (answering.get(socket)?.size === 0) socket.destroy()
  }

  http.on('connection', (socket) => {
    answering.set(socket, new Set())
    socket.once('close', () => answering.delete(socket))
  })
  http.on('request', (request, response) => {
    const { socket } = request
    answering.get(socket)?.add(response)
    response.once('close', () => {
      answering.get(socket)?.delete(response)
      if (!isClosing) return
      if (request.complete) setImmediate(closeIfUnused, socket)
      else setTimeout(closeIfUnused, REST_OF_BODY_MS, socket)
    })
  })
  return {
    closeUnused() {
      isClosing = true
      for (const socket of answering.keys()) closeIfUnused(socket)
    },
  }
}
