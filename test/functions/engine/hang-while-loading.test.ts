import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Engine, type EngineEvent, startEngine } from '../../../functions/inference/engine/engine-client.ts'
import { until } from '../../support/until.ts'

let folder: string
let engine: Engine
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'perigee-hang-'))
})
afterEach(async () => {
  await engine.stop()
  rmSync(folder, { recursive: true })
})

const request = {
  ...{ prompt: [1, 2], answer: [], maxTokens: 1, sameness: true },
  sampling: { temperature: 0, topK: 0, topP: 1, seed: [0, 0] as [number, number], choice: 0 },
}

function start(startMaxMs: number) {
  const log: string[] = []
  const rest = { slots: 1, context: 64, threads: 1, spinUs: 0, chunkTokens: 128, chunkMs: 100, prefixCacheBytes: 0 }
  engine = startEngine({
    ...{ folder, ...rest, batchInvariant: 'seeded', log: (line) => log.push(line) },
    ...{ childFile: join(import.meta.dirname, 'hanging-engine.ts'), startMaxMs },
  })
  return log
}
const marker = () => join(folder, 'has-hung')
const hangs = () => until('the engine hangs', () => existsSync(marker()) && readFileSync(marker()).length > 0, 20_000)
const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('an engine that hangs while it loads is killed and started again; who waited for it is told', async () => {
  const log = start(1_000)
  const told = new Promise<EngineEvent>((resolve) => engine.generate(request, resolve))
  await expect(engine.ready).rejects.toThrow('does not start')
  expect(await told).toEqual({ type: 'error', code: 'engine_unavailable' })
  await until('ready', () => engine.state() === 'ready', 20_000)
  expect(engine.restarts()).toBeGreaterThan(0)
  expect(isAlive(Number(readFileSync(marker(), 'utf8')))).toBe(false)
  expect(log[0]).toBe('The engine was not ready after 1000 ms; it is killed.')
})

test('a server that stops while its engine hangs ends it', async () => {
  start(300_000)
  await hangs()
  expect(engine.state()).toBe('loading')
  const pid = engine.pid() ?? 0
  expect(isAlive(pid)).toBe(true)
  await engine.stop()
  expect(isAlive(pid)).toBe(false)
})
