import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { startServer } from '../../../functions/inference/http/start-server.ts'
import { until } from '../../support/until.ts'
import { MODEL, post, type RealServer, readEvents, settingsFrom, startRealServer } from './real-server.ts'

const servers: { stop(graceMs: number): Promise<void> }[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(0)
})

async function startOne(argv: string[]): Promise<RealServer> {
  const server = await startRealServer(argv)
  servers.push(server)
  return server
}

const LONG = {
  model: MODEL,
  stream: true,
  max_tokens: 400,
  messages: [{ role: 'user', content: 'Tell me a long story about the sea.' }],
}
const SHORT = { model: MODEL, max_tokens: 1, messages: [{ role: 'user', content: 'Hi' }] }

async function look(url: string, path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(url + path)
  // Sound: every route that is asked here answers with an object.
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

test('a server without its model lives and is not ready', async () => {
  const server = await startServer(settingsFrom([]), () => {})
  servers.push(server)
  expect((await look(server.url, '/health/live')).status).toBe(200)
  for (const path of ['/health', '/health/ready']) {
    expect(await look(server.url, path)).toMatchObject({ status: 503, body: { ready: false, status: 'loading' } })
  }
  expect(await look(server.url, '/load')).toMatchObject({ status: 200, body: { ready: false, slots: 0, running: 0 } })
})

test('a full queue refuses with Retry-After, /health says why, and the server lives', async () => {
  const { url } = await startOne(['--slots', '1', '--queue', '0'])
  expect(await look(url, '/health/ready')).toMatchObject({ status: 200, body: { ready: true, status: 'ok' } })
  const leaving = new AbortController()
  const stream = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(LONG),
    signal: leaving.signal,
  })
  expect(stream.status).toBe(200)
  expect(await look(url, '/health')).toMatchObject({ status: 503, body: { ready: false, status: 'queue_full' } })
  expect((await look(url, '/health/live')).status).toBe(200)
  expect(await look(url, '/load')).toMatchObject({ body: { slots: 1, running: 1, waiting: 0, queue_max: 0 } })
  const refused = await post(`${url}/v1/chat/completions`, SHORT)
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(await refused.json()).toMatchObject({ error: { code: 'queue_full' } })
  leaving.abort()
  await until('ready again', async () => (await look(url, '/health')).status === 200, 5_000)
})

test('a draining server ends what it has begun and takes nothing new, until it is told otherwise', async () => {
  const { url } = await startOne(['--slots', '2'])
  const stream = await post(`${url}/v1/chat/completions`, { ...LONG, max_tokens: 60 })
  const drained = await fetch(`${url}/drain`, { method: 'POST' })
  expect(await drained.json()).toEqual({ draining: true, in_flight: 1 })
  const refused = await post(`${url}/v1/chat/completions`, SHORT)
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(await refused.json()).toMatchObject({ error: { code: 'draining' } })
  expect(await look(url, '/health')).toMatchObject({ status: 503, body: { status: 'draining' } })
  expect((await readEvents(stream)).isDone).toBe(true)
  await post(`${url}/drain`, { on: false })
  expect((await post(`${url}/v1/chat/completions`, SHORT)).status).toBe(200)
  expect((await post(`${url}/drain`, { on: 'no' })).status).toBe(400)
})

test('a server that stops waits for nobody on whose connection nothing was asked', async () => {
  const server = await startServer(settingsFrom([]), () => {})
  const answered = 'GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n'
  // A connection opened in store, half a request, one that was answered, and one that was and begins the next.
  for (const text of ['', 'GET /hea', answered, `${answered}GET /hea`]) {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(text)
    if (text.includes('\n')) await once(socket, 'data')
  }
  // The server has seen the bytes of all of them.
  await look(server.url, '/health/live')
  const started = performance.now()
  await server.stop(20_000)
  expect(performance.now() - started).toBeLessThan(10_000)
})

test('what has not ended when the grace is over is handed back by an error event, not cut', async () => {
  const server = await startRealServer(['--slots', '1'])
  const stream = await post(`${server.url}/v1/chat/completions`, LONG)
  let stopping: Promise<void> | undefined
  const { events, isDone } = await readEvents(stream, () => {
    stopping ??= server.stop(50)
  })
  expect(isDone).toBe(false)
  expect(events.at(-1)).toMatchObject({ error: { code: 'engine_unavailable' } })
  await stopping
})

test('what can no longer be in time gives its place to others: by status before the first byte, else by an event', async () => {
  const { url } = await startOne(['--slots', '1'])
  const path = `${url}/v1/chat/completions`
  const running = await post(path, LONG)
  const timeout = { 'x-request-timeout-ms': '150' }
  const [whole, streamed] = await Promise.all([
    post(path, SHORT, timeout),
    post(path, { ...SHORT, stream: true }, timeout),
  ])
  expect(whole.status).toBe(504)
  expect(await whole.json()).toMatchObject({ error: { code: 'deadline_exceeded' } })
  const { events, isDone } = await readEvents(streamed)
  expect([isDone, events]).toMatchObject([false, [{ error: { code: 'deadline_exceeded' } }]])
  expect(await look(url, '/load')).toMatchObject({ body: { running: 1, waiting: 0 } })
  await running.body?.cancel()
  expect((await post(path, SHORT, { 'x-request-timeout-ms': '60000' })).status).toBe(200)
  for (const wrong of ['0', 'soon', '1.5', '99999999']) {
    expect((await post(path, SHORT, { 'x-request-timeout-ms': wrong })).status).toBe(400)
  }
})
