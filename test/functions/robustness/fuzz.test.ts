/** The short version of `npm run long:fuzz`. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { processTree } from '../../bench/measure/process-tree.ts'
import { SENTIMENT_FOLDER } from '../adapters/fixture.ts'
import { defaultModelFolder } from '../engine/default-model.ts'
import { fuzz, wrongBecause } from './fuzz.ts'
import { heldBy, heldMore, untilIdle } from './holdings.ts'
import { type ServerProcess, startServerProcess } from './server-process.ts'
import { SOAK_ADAPTER, soak } from './soak.ts'

let server: ServerProcess
beforeAll(async () => {
  await defaultModelFolder() // What is said of an import is not of the requests.
  const adapter = ['--adapter', `${SOAK_ADAPTER}=${SENTIMENT_FOLDER}`]
  server = await startServerProcess(['--context', '256', '--slots', '4', '--prefix-cache-mb', '16', ...adapter])
})
afterAll(() => server?.stop())

const SEED = 20_261_124
const REQUESTS = 500

test('500 mutated requests each get an answer that a caller may get, and the same engine lives on', async () => {
  const { wrong, counts } = await fuzz(server.url, { seed: SEED, requests: REQUESTS })
  expect(wrong).toEqual([])
  // It is no fuzzing if everything is refused, or nothing.
  expect(counts['200']).toBeGreaterThan(REQUESTS / 20)
  expect(counts['400']).toBeGreaterThan(REQUESTS / 20)
  const metrics = await (await fetch(`${server.url}/metrics`)).text()
  expect(metrics).toContain('perigee_inference_engine_restarts 0')
  expect(server.hasEnded()).toBe(false)
  expect(server.log()).toBe('')
})

test('the fuzz would notice a 500, a trace, a bare error and a cut stream', () => {
  const request = { method: 'POST', path: '/', headers: {}, body: Buffer.alloc(0), leaves: null }
  const answer = (status: number, text: string) => wrongBecause(request, { kind: 'answer', status, text })
  expect(answer(500, '')).toBe('status 500')
  expect(answer(400, '{"error":{"message":"x at file:///a.ts:1","type":"t","code":"c"}}')).toContain('inside')
  expect(answer(400, '{"error":"x"}')).toContain('envelope')
  expect(answer(200, 'data: {}\n\n')).toContain('[DONE]')
  expect(answer(400, '{"error":{"message":"x","type":"t","code":"c"}}')).toBeNull()
  expect(wrongBecause(request, { kind: 'broken', reason: 'reset' })).toContain('broke')
})

test('after hang-ups, refusals and a killed engine no slot and no file is lost', async () => {
  let before = heldBy(server)
  const { counts, wrong } = await soak(server, {
    seed: SEED,
    requests: 60,
    kills: 1,
    enginePid: () => processTree(server.pid)[1] ?? 0,
    // Twelve callers keep a connection each.
    onDone: (done) => {
      if (done === 15) before = heldBy(server)
    },
  })
  expect(wrong).toEqual([])
  expect(counts['hang-up: left']).toBeGreaterThan(0)
  await untilIdle(server)
  expect(heldMore(before, heldBy(server))).toEqual([])
})

test('a leak of memory or files would be noticed', () => {
  const before = { serverMib: 160, engineMib: 400, files: 60, engineRestarts: 0 }
  expect(heldMore(before, { ...before, serverMib: 240 })).toHaveLength(1)
  expect(heldMore(before, { ...before, engineMib: 520 })).toHaveLength(1)
  expect(heldMore(before, { ...before, files: 70 })).toHaveLength(1)
  expect(heldMore(before, { ...before, serverMib: 180, engineMib: 430, files: 66 })).toEqual([])
})
