/** Just enough of RESP2 (the protocol of Redis) to pass commands on and have their replies in order. */
import { createConnection } from 'node:net'

export type RedisReply = string | number | null | RedisReply[] | { error: string }

export type RedisConnection = {
  send(command: readonly string[]): Promise<RedisReply>
  close(): void
}

export function redisConnection(socket: string): RedisConnection {
  const waiting: ((reply: RedisReply) => void)[] = []
  let received = Buffer.alloc(0)
  const connection = createConnection(socket)
  connection.on('data', (bytes) => {
    received = Buffer.concat([received, bytes])
    for (let found = replyAt(received, 0); found; found = replyAt(received, 0)) {
      received = received.subarray(found.end)
      waiting.shift()?.(found.reply)
    }
  })
  connection.on('error', (cause) => {
    for (const answer of waiting.splice(0)) answer({ error: String(cause) })
  })
  return {
    send(command) {
      const parts = command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`)
      connection.write(`*${parts.length}\r\n${parts.join('')}`)
      return new Promise((resolve) => waiting.push(resolve))
    },
    close: () => connection.destroy(),
  }
}

/** Undefined while it has not arrived wholly. */
function replyAt(bytes: Buffer, start: number): { reply: RedisReply; end: number } | undefined {
  const lineEnd = bytes.indexOf('\r\n', start)
  if (lineEnd < 0) return undefined
  const line = bytes.toString('utf8', start + 1, lineEnd)
  const end = lineEnd + 2
  switch (String.fromCharCode(bytes[start] ?? 0)) {
    case '+':
      return { reply: line, end }
    case '-':
      return { reply: { error: line }, end }
    case ':':
      return { reply: Number(line), end }
    case '$': {
      const length = Number(line)
      if (length < 0) return { reply: null, end }
      return bytes.length < end + length + 2
        ? undefined
        : { reply: bytes.toString('utf8', end, end + length), end: end + length + 2 }
    }
    case '*': {
      const items: RedisReply[] = []
      let at = end
      for (let i = 0; i < Number(line); i++) {
        const item = replyAt(bytes, at)
        if (!item) return undefined
        items.push(item.reply)
        at = item.end
      }
      return { reply: Number(line) < 0 ? null : items, end: at }
    }
    default:
      throw new Error('This is not RESP2.')
  }
}
