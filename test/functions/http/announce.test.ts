/** A server that announces itself, to an edge that checks what it is told as the real one does. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { parseSettings } from '../../../functions/inference/settings.ts'
import { type Heartbeat, heartbeatSchema } from '../../../src/contract/heartbeat.ts'
import { verifiedTime } from '../../../src/health/heartbeat-signature.ts'
import { until } from '../../support/until.ts'
import { MODEL, metric, post, type RealServer, startRealServer } from './real-server.ts'

const SECRET = 'a secret of thirty-two characters'
const ANNOUNCE = ['--announce-as', 'https://gpu-1.example', '--announce-deployment', 'llama-a']

let edge: Server | undefined
let server: RealServer | undefined
afterEach(async () => {
  await server?.stop(0)
  server = undefined
  edge?.closeAllConnections()
  await new Promise((closed) => edge?.close(closed))
})

/** What the edge would take of what it hears. */
async function startEdge(): Promise<{ url: string; heard: Heartbeat[] }> {
  const heard: Heartbeat[] = []
  const listening = createServer(async (request, response) => {
    let text = ''
    for await (const piece of request) text += piece
    const { 'x-perigee-time': time, 'x-perigee-signature': signature } = request.headers
    const isGood = verifiedTime({ time: String(time), signature: String(signature), text }, SECRET, Date.now())
    if (request.url === '/endpoints/heartbeat' && isGood !== undefined)
      heard.push(heartbeatSchema.parse(JSON.parse(text)))
    response.writeHead(200).end()
  })
  edge = listening
  await new Promise<void>((done) => listening.listen(0, '127.0.0.1', done))
  // Sound: a server that listens on TCP has an address with a port.
  return { url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}`, heard }
}

test('tells where it is and how much of it is taken, says when it drains, and says so first of all when it stops', async () => {
  const { url, heard } = await startEdge()
  server = await startRealServer(['--announce-url', url, ...ANNOUNCE], { PERIGEE_HEARTBEAT_SECRET: SECRET })
  await until('the first heartbeat', () => heard.length > 0, 5_000)
  expect(heard[0]).toMatchObject({
    deployment: 'llama-a',
    url: 'https://gpu-1.example',
    model: MODEL,
    draining: false,
    load: { slots: 8, running: 0, waiting: 0 },
  })
  expect(heard[0]?.load.memory_used_bytes).toBeGreaterThan(10_000_000)

  await post(`${server.url}/v1/chat/completions`, {
    model: MODEL,
    max_tokens: 1,
    messages: [{ role: 'user', content: 'Hi' }],
  })
  await post(`${server.url}/drain`, {})
  await until('a heartbeat that says that it drains', () => heard.at(-1)?.draining === true, 12_000)
  expect(heard.at(-1)?.load.requests_per_second).toBeGreaterThan(0)
  expect(heard.at(-1)?.load.cpu).toBeGreaterThan(0)
  expect(await metric(server.url, 'perigee_inference_memory_total_bytes')).toBeGreaterThan(100_000_000)

  const before = heard.length
  await server.stop(0)
  expect(heard.slice(before).map(({ draining }) => draining)).toEqual([true])
  expect(new Set(heard.map(({ instance }) => instance)).size).toBe(1)
})

test('an edge that is gone keeps no server from stopping', async () => {
  const { url } = await startEdge()
  server = await startRealServer(['--announce-url', url, ...ANNOUNCE], { PERIGEE_HEARTBEAT_SECRET: SECRET })
  edge?.closeAllConnections()
  await new Promise((closed) => edge?.close(closed))
  const startedAt = performance.now()
  await server.stop(0)
  expect(performance.now() - startedAt).toBeLessThan(10_000)
})

test.each<[string, string[], Record<string, string>, string]>([
  ['no secret', ANNOUNCE, {}, 'PERIGEE_HEARTBEAT_SECRET'],
  ['a short secret', ANNOUNCE, { PERIGEE_HEARTBEAT_SECRET: 'short' }, 'PERIGEE_HEARTBEAT_SECRET'],
  ['no deployment', ANNOUNCE.slice(0, 2), { PERIGEE_HEARTBEAT_SECRET: SECRET }, '--announce-deployment'],
  ['no URL of its own', ANNOUNCE.slice(2), { PERIGEE_HEARTBEAT_SECRET: SECRET }, '--announce-as'],
])('%s is said at the start', (_, argv, env, named) => {
  const parsed = parseSettings(['--announce-url', 'https://edge.example', ...argv], env)
  expect(parsed.kind === 'wrong' && parsed.message).toContain(named)
  expect(parsed.kind === 'wrong' && parsed.message).not.toContain('short')
})

test('a server that is not told to announces itself nowhere', () => {
  const parsed = parseSettings([], { PERIGEE_HEARTBEAT_SECRET: SECRET })
  expect(parsed.kind === 'settings' && parsed.settings.announce).toBeNull()
})
