/**
 * Upstash's REST protocol in front of a real redis-server, for suites without an account: `POST /` with a command, `/pipeline` and
 * `/multi-exec` with several, replies in base64 when asked.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type RedisConnection, type RedisReply, redisConnection } from './redis-connection.ts'

export type UpstashBridge = { url: string; token: string; stop(): void }

/** A flag of Upstash's own, which Redis refuses. */
const UPSTASH_FLAGS = /^#!lua flags=allow-key-locking\n/
const TOKEN = 'a-token-of-the-tests'

export async function upstashBridge(socket: string): Promise<UpstashBridge> {
  const redis = redisConnection(socket)
  /** Of a script as the client knows it, to that of the script as Redis knows it. */
  const hashes = new Map<string, string>()

  function forRedis(command: readonly unknown[]): string[] {
    const [name = '', script = '', ...rest] = command.map(String)
    if (!/^eval(sha)?$/i.test(name)) return command.map(String)
    if (/^evalsha$/i.test(name)) return [name, hashes.get(script) ?? script, ...rest]
    const text = script.replace(UPSTASH_FLAGS, '')
    hashes.set(sha1(script), sha1(text))
    return [name, text, ...rest]
  }

  async function answer(path: string, body: unknown, encode: (reply: RedisReply) => unknown): Promise<unknown> {
    // Sound: the clients send a command, or a list of commands.
    const run = async (command: unknown) => resultOf(await redis.send(forRedis(command as unknown[])), encode)
    if (path === '/') return run(body)
    return path === '/multi-exec'
      ? runTogether(redis, body as unknown[][], forRedis, encode)
      : Promise.all((body as unknown[]).map(run))
  }

  const server = createServer(async (request, response) => {
    const isKnown = request.headers.authorization === `Bearer ${TOKEN}`
    const encode = request.headers['upstash-encoding'] === 'base64' ? inBase64 : (reply: RedisReply) => reply
    const result = isKnown
      ? await answer(request.url ?? '/', JSON.parse(await bodyOf(request)), encode)
      : { error: 'WRONGPASS' }
    const isError = typeof result === 'object' && result !== null && 'error' in result
    response.writeHead(isKnown ? (isError ? 400 : 200) : 401, { 'content-type': 'application/json' })
    response.end(JSON.stringify(result))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // Sound: it listens on a port.
    token: TOKEN,
    stop() {
      redis.close()
      server.close()
      server.closeAllConnections()
    },
  }
}

async function runTogether(
  redis: RedisConnection,
  commands: readonly unknown[][],
  forRedis: (command: readonly unknown[]) => string[],
  encode: (reply: RedisReply) => unknown,
): Promise<unknown> {
  const replies = await Promise.all(
    [['MULTI'], ...commands.map(forRedis), ['EXEC']].map((command) => redis.send(command)),
  )
  const last = replies.at(-1)
  return Array.isArray(last) ? last.map((reply) => resultOf(reply, encode)) : resultOf(last ?? null, encode)
}

function resultOf(reply: RedisReply, encode: (reply: RedisReply) => unknown): object {
  return typeof reply === 'object' && reply !== null && 'error' in reply ? reply : { result: encode(reply) }
}

function inBase64(reply: RedisReply): unknown {
  if (Array.isArray(reply)) return reply.map(inBase64)
  return typeof reply === 'string' && reply !== 'OK' ? Buffer.from(reply).toString('base64') : reply
}

function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex')
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const piece of request) text += String(piece)
  return text
}
