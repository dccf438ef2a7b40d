/**
 * The Worker in workerd before two endpoints, of which the first misbehaves in every way we know: its caller gets the whole answer, once,
 * as long as the second is well; else an error, soon and clear.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeApiKey } from '../../src/auth/api-key.ts'
import type { Continuation } from '../../src/contract/continuation.ts'
import { answered, ask, CELL_MS_MAX, type Cell, type ChaosEdge, inLanes, wrongWith } from '../support/chaos-cell.ts'
import { FAULTS, type Fault, type MisbehavingEndpoint, misbehavingEndpoint } from '../support/misbehaving-endpoint.ts'
import { type PlainWorkerd, plainWorkerd } from '../support/plain-workerd.ts'
import { type AnswerKind, tokensOfKind } from '../support/scripted-answer.ts'
import { freePort } from '../support/stack.ts'
import { until } from '../support/until.ts'

const KEY = makeApiKey()
const SHARE_MIN = 0.95

/** They are the caller's to hear, so no other deployment is asked. */
const REFUSALS: readonly Fault[] = ['status 400', 'status 422', 'content filter']
/** The first endpoint's own answer is whole. */
const HARMLESS: readonly Fault[] = [
  ...([
    'slow first token',
    'pings midway',
    'without [DONE]',
    'without [DONE], kept open',
    'cut inside characters',
  ] as const),
  ...(['resets after the finish reason', 'malformed after the finish reason'] as const),
]
const WAYS: readonly Continuation[] = ['token_ids', 'assistant', 'instruct']

let faulty: MisbehavingEndpoint
let healthy: MisbehavingEndpoint
let edge: PlainWorkerd
let world: ChaosEdge

beforeAll(async () => {
  faulty = await misbehavingEndpoint()
  healthy = await misbehavingEndpoint('none')
  edge = await plainWorkerd(join(import.meta.dirname, '../worker/chaos-worker.ts'), {
    FAULTY_URL: faulty.url,
    HEALTHY_URL: healthy.url,
    CLOSED_URL: `http://127.0.0.1:${await freePort()}`,
  })
  world = { url: edge.url, key: KEY, faulty, healthy }
})
afterAll(async () => {
  await edge?.stop()
  await Promise.all([faulty?.close(), healthy?.close()])
})

let cells = 0
const cellsOf = (fault: Cell['fault']): Cell[] =>
  (fault === 'oversized midway' ? ([['plain', ['token_ids']]] as const) : KINDS).flatMap(([kind, ways]) =>
    ways.flatMap((way) => [true, false].map((stream) => ({ id: `c${cells++}`, fault, kind, way, stream }))),
  )
/** A tool call is only taken up by its ids. */
const KINDS: readonly (readonly [AnswerKind, readonly Continuation[]])[] = [
  ['plain', WAYS],
  ['two', WAYS],
  ['tools', ['token_ids']],
  ['logprobs', WAYS],
]

test('a healthy deployment beside a misbehaving one gives the whole answer, once', { timeout: 120_000 }, async () => {
  const faults = (Object.keys(FAULTS) as Fault[]).filter((fault) => !REFUSALS.includes(fault))
  const all = [...faults, 'refuses' as const].flatMap(cellsOf)
  const wrong: string[] = []
  await inLanes(all, async (cell) => {
    const startedAt = performance.now()
    const model = cell.fault === 'refuses' ? `closed-${cell.way}` : cell.way
    const answer = await answered(await ask(world, model, cell), startedAt)
    const problem = wrongWith(world, cell, answer)
    if (problem === undefined) return
    wrong.push(`${cell.fault}, ${cell.kind}, ${cell.way}, ${cell.stream ? 'streamed' : 'whole'}: ${problem}`)
    // Nothing partial is shown as success.
    const isSuccess = answer.status === 200 && answer.isDone && answer.error === undefined
    expect(isSuccess, wrong.at(-1)).toBe(false)
  })
  console.log([`chaos: ${all.length - wrong.length} of ${all.length} cells whole`, ...wrong].join('\n'))
  expect(all.length).toBeGreaterThan(700)
  expect(wrong.length / all.length, wrong.join('\n')).toBeLessThanOrEqual(1 - SHARE_MIN)
})

describe('a misbehaving deployment alone', () => {
  test('gives a clear error, or a whole answer where it is one', { timeout: 120_000 }, async () => {
    const faults = (Object.keys(FAULTS) as Fault[]).filter(
      (fault) => !['none', 'flaps', 'oversized midway'].includes(fault),
    )
    const wrong: string[] = []
    const all = faults.flatMap((fault) => [true, false].map((stream) => ({ id: `a${cells++}`, fault, stream })))
    await inLanes(all, async ({ id, fault, stream }) => {
      const cell: Cell = { id, fault, kind: 'plain', way: 'token_ids', stream }
      const startedAt = performance.now()
      const answer = await answered(await ask(world, 'alone', cell), startedAt)
      const where = `${fault}, ${stream ? 'streamed' : 'whole'}`
      const calls = faulty.callsOf(id).length
      if (calls < 1 || calls > 4) wrong.push(`${where}: ${calls} calls`)
      if (answer.ms > CELL_MS_MAX) wrong.push(`${where}: ${answer.ms} ms`)
      if (HARMLESS.includes(fault)) {
        const problem = wrongWith(world, cell, answer)
        if (problem) wrong.push(`${where}: ${problem}`)
      } else if (answer.error === undefined || (answer.isDone && stream)) wrong.push(`${where}: no error`)
    })
    expect(wrong).toEqual([])
  })

  test('that flaps is asked again until it is up', async () => {
    const cell: Cell = { id: 'flap', fault: 'flaps', kind: 'plain', way: 'token_ids', stream: true }
    const answer = await answered(await ask(world, 'alone', cell), performance.now())
    expect(wrongWith(world, cell, answer)).toBeUndefined()
    expect(faulty.callsOf('flap')).toHaveLength(3)
  })
})

test.each(REFUSALS)('a refusal of the request (%s) is passed on, and nobody else is asked', async (fault) => {
  const id = `r${cells++}`
  const answer = await answered(
    await ask(world, 'token_ids', { id, fault, kind: 'plain', stream: true }),
    performance.now(),
  )
  expect(answer).toMatchObject({ status: 400, error: 'upstream_rejected' })
  expect([faulty.callsOf(id).length, healthy.callsOf(id).length]).toEqual([1, 0])
})

test('a tool call that was cut is no answer where nobody can go on with it', async () => {
  const cell: Cell = { id: 'cut-call', fault: 'ends midway', kind: 'tools', way: 'instruct', stream: true }
  const answer = await answered(await ask(world, 'instruct', cell), performance.now())
  expect(answer).toMatchObject({ status: 200, error: 'upstream_interrupted', isDone: false })
})

test('one completion is billed, by what the caller got, and every call has ended', async () => {
  const accounts = async (): Promise<{ billed: { completion_tokens: number }[]; ended: { by?: string }[] }> =>
    (await fetch(`${edge.url}/accounts`)).json()
  const before = await accounts()
  const cell: Cell = { id: 'bill', fault: 'resets midway', kind: 'two', way: 'token_ids', stream: true }
  expect(wrongWith(world, cell, await answered(await ask(world, 'token_ids', cell), performance.now()))).toBeUndefined()
  const after = await accounts()
  expect(after.billed.slice(before.billed.length).map(({ completion_tokens }) => completion_tokens)).toEqual([
    tokensOfKind('two'),
  ])
  expect(after.ended.slice(before.ended.length)).toMatchObject([
    { deploymentId: 'faulty', kind: 'first', code: 'upstream_interrupted' },
    { deploymentId: 'healthy', kind: 'continuation', by: 'token_ids' },
    { deploymentId: 'healthy', kind: 'continuation', by: 'token_ids' },
  ])
})

test('the first token reaches the caller within 50 ms of its arrival, also behind a failure', async () => {
  const delays: number[] = []
  for (let turn = 0; turn < 15; turn++) {
    const id = `first-${turn}`
    const response = await ask(world, 'token_ids', { id, fault: 'status 503', kind: 'plain', stream: true })
    const decoder = new TextDecoder()
    let text = ''
    for await (const bytes of response.body ?? []) {
      text += decoder.decode(bytes, { stream: true })
      if (text.includes('Gr')) break
    }
    delays.push(performance.now() - (healthy.callsOf(id)[0]?.firstTokenAt ?? Number.NaN))
  }
  delays.sort((a, b) => a - b)
  expect(delays[7], delays.join(' ')).toBeLessThan(50)
})

test('afterwards nothing is left open, nothing was printed, and the next request is answered', async () => {
  await until('all connections are closed', () => faulty.open() + healthy.open() === 0, 5_000)
  const cell: Cell = { id: 'last', fault: 'none', kind: 'plain', way: 'token_ids', stream: true }
  expect(wrongWith(world, cell, await answered(await ask(world, 'token_ids', cell), performance.now()))).toBeUndefined()
  expect(edge.output()).not.toMatch(/uncaught|unhandled|deadlock|hang/i)
})
