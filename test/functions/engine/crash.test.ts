import { expect, test } from 'vitest'
import { type EngineEvent, startEngine } from '../../../functions/inference/engine/engine-client.ts'
import { defaultModelFolder } from './default-model.ts'

/** Done-when 5 of the spine: after a kill -9 the next request works within so long. */
const RECOVERED_WITHIN_MS = 5_000

const request = {
  ...{ prompt: [504, 2388, 314], answer: [], maxTokens: 200, sameness: true },
  sampling: { temperature: 0, topK: 0, topP: 1, seed: [0, 0] as [number, number], choice: 0 },
}

test('when the engine is killed, everyone in flight is told, and the next request is answered soon', async () => {
  const log: string[] = []
  const engine = startEngine({
    ...{
      folder: await defaultModelFolder(),
      slots: 2,
      context: 512,
      threads: 2,
      spinUs: 10,
      chunkTokens: 128,
      chunkMs: 100,
      prefixCacheBytes: 0,
    },
    ...{ batchInvariant: 'seeded', log: (line) => log.push(line) },
  })
  await engine.ready
  const firstTokens = Promise.withResolvers<void>()
  const ends = Array.from({ length: 3 }, () => {
    const events: EngineEvent[] = []
    return new Promise<EngineEvent[]>((resolve) => {
      engine.generate(request, (event) => {
        events.push(event)
        if (event.type === 'tokens') firstTokens.resolve()
        else resolve(events)
      })
    })
  })
  await firstTokens.promise
  process.kill(engine.pid() ?? 0, 'SIGKILL')
  // Two were running, the third was waiting.
  for (const events of await Promise.all(ends)) {
    expect(events.at(-1)).toEqual({ type: 'error', code: 'engine_crashed' })
  }
  expect(engine.inFlight()).toBe(0)

  const killed = performance.now()
  const next = await new Promise<EngineEvent>((resolve) => {
    engine.generate({ ...request, maxTokens: 1 }, (event) => event.type !== 'tokens' && resolve(event))
  })
  expect(next).toEqual({ type: 'end', reason: 'length' })
  expect(performance.now() - killed).toBeLessThan(RECOVERED_WITHIN_MS)
  expect(engine.restarts()).toBe(1)
  expect(log.join()).toContain('SIGKILL')
  await engine.stop()
})

test('an engine that cannot start says so to whoever asks, instead of letting them wait', async () => {
  const engine = startEngine({
    ...{
      folder: '/nonexistent',
      slots: 1,
      context: 64,
      threads: 1,
      spinUs: 0,
      chunkTokens: 128,
      chunkMs: 100,
      prefixCacheBytes: 0,
      batchInvariant: 'seeded',
    },
  })
  await expect(engine.ready).rejects.toThrow('does not start')
  const event = await new Promise((resolve) => engine.generate(request, resolve))
  expect(event).toEqual({ type: 'error', code: 'engine_unavailable' })
  await engine.stop()
})
