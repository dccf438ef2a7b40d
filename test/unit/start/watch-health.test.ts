import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { watchHealth } from '../../../scripts/start/watch-health.ts'
import { until } from '../../support/until.ts'

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

const FAST = { lookEveryMs: 5, answerWithinMs: 25, silencesMax: 3, startsWithinMs: 60_000 }
const answers: RequestListener = (_, response) => response.end('ok')
const hangs: RequestListener = () => undefined

/** A server whose manners can be changed, and the child that is said to be it. */
async function watched(options = FAST) {
  const server = { handle: answers, requests: 0 }
  const listener = createServer((request, response) => {
    server.requests += 1
    server.handle(request, response)
  })
  await new Promise<void>((done) => listener.listen(0, '127.0.0.1', done))
  const child = { pid: 1, ranForMs: 1_000, isRunning: true, hasStopped: false, restarts: 0 }
  cleanups.push(() => {
    child.hasStopped = true
    listener.closeAllConnections()
    listener.close()
  })
  const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/health`
  watchHealth(
    url,
    {
      hasStopped: () => child.hasStopped,
      running: () => (child.isRunning ? { pid: child.pid, ranForMs: child.ranForMs } : undefined),
      restart: () => {
        child.restarts += 1
      },
    },
    options,
  )
  return { server, child }
}

const looks = (server: { requests: number }, count: number) => {
  const target = server.requests + count
  return until(`${count} more looks`, () => server.requests >= target, 10_000)
}

test('a child that falls silent before the first look is started again', async () => {
  const { server, child } = await watched()
  server.handle = hangs
  await until('restarted', () => child.restarts > 0, 10_000)
})

test('a child that answers is left alone, and two silences are forgiven', async () => {
  const { server, child } = await watched()
  let silent = 0
  server.handle = (request, response) => (++silent % 3 === 0 ? answers(request, response) : hangs(request, response))
  await looks(server, 12)
  expect(child.restarts).toBe(0)
})

test('a new process may be silent while it starts, not for ever, and is watched again once it answered', async () => {
  const { server, child } = await watched()
  await looks(server, 1)
  server.handle = hangs
  child.pid = 2
  await looks(server, 8)
  expect(child.restarts).toBe(0)
  child.ranForMs = FAST.startsWithinMs + 1
  await until('restarted', () => child.restarts === 1, 10_000)
  child.pid = 3
  child.ranForMs = 0
  server.handle = answers
  await looks(server, 2)
  server.handle = hangs
  await until('restarted', () => child.restarts === 2, 10_000)
})

test('between a crash and the next start nothing is killed', async () => {
  const { server, child } = await watched()
  await looks(server, 1)
  server.handle = hangs
  child.isRunning = false
  await looks(server, 8)
  expect(child.restarts).toBe(0)
})
