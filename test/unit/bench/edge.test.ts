import { expect, test } from 'vitest'
import { parseResult, type Sample } from '../../bench/edge/load.ts'
import { edgeFigures } from '../../bench/edge/report.ts'
import { answerOf, cellsOf, EVENTS, SCENARIOS, type Scenario, wrongAnswer } from '../../bench/edge/scenario.ts'
import { workerdConfig } from '../../bench/edge/workerd-config.ts'
import { parseBenchOptions } from '../../bench/measure/options.ts'

const scenario = (name: string): Scenario => {
  const found = SCENARIOS.find((known) => known.name === name)
  if (!found) throw new Error(name)
  return found
}
const chunk = (content: string) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`

test('every request body is JSON of exactly one kilobyte, but the large one', () => {
  for (const { name, body } of SCENARIOS) {
    expect(new TextEncoder().encode(body).length).toBe(name === 'large' ? 400_000 : 1_024)
    expect(() => JSON.parse(body)).not.toThrow()
  }
})

test('a contender is not measured at answering something else', () => {
  const json = (content: string) => JSON.stringify({ choices: [{ message: { content } }] })
  expect(wrongAnswer(scenario('json'), 200, json(answerOf(EVENTS)))).toBeUndefined()
  expect(wrongAnswer(scenario('json'), 200, json(answerOf(EVENTS).slice(0, -1)))).toContain('another answer')
  expect(wrongAnswer(scenario('json'), 502, '{}')).toContain('status 502')

  const half = answerOf(EVENTS).length / 2
  const stream = chunk(answerOf(EVENTS).slice(0, half)) + chunk(answerOf(EVENTS).slice(half))
  expect(wrongAnswer(scenario('stream'), 200, `${stream}data: [DONE]\n\n`)).toBeUndefined()
  expect(wrongAnswer(scenario('stream'), 200, stream)).toContain('no [DONE]')
  expect(wrongAnswer(scenario('stream'), 200, `${chunk('x')}data: [DONE]\n\n`)).toContain('another answer')
})

test("wrk's result is read with its errors, and a run without a request is an error", () => {
  expect(parseResult('Running 1s test\nRESULT 42173 1003939 271 691 3\n')).toEqual([42_173, 1_003_939, 271, 691, 3])
  expect(() => parseResult('unable to connect')).toThrow('completed no request')
  expect(() => parseResult('RESULT 0 1003939 0 0 0')).toThrow('completed no request')
})

test('the configuration for workerd escapes what it is given and stores objects only where there are some', () => {
  const options = {
    module: 'worker.js',
    compatibilityDate: '2026-11-01',
    compatibilityFlags: ['a', 'b'],
    vars: { NAME: 'say "hi"' },
    storageFolder: '/tmp/x',
  }
  const plain = workerdConfig({ ...options, durableObjects: {} })
  expect(plain).toContain('(name = "NAME", text = "say \\"hi\\"")')
  expect(plain).toContain('compatibilityFlags = [ "a", "b" ]')
  expect(plain).not.toContain('durableObject')
  const stored = workerdConfig({ ...options, durableObjects: { ONE: 'Room', TWO: 'Room' } })
  expect(stored.match(/className = "Room"/g)).toHaveLength(1)
  expect(stored).toContain('(name = "TWO", durableObjectNamespace = "Room")')
})

test('figures are medians over the alternations and ratios compare ours with each of the others', () => {
  const sample = (requestsPerSecond: number): Sample => ({
    requestsPerSecond,
    p50Ms: 1,
    p99Ms: 2,
    cpuMsPerRequest: 0.5,
    rssMib: 100,
    loadCoreBusy: 0.1,
    strangersOnServerCore: 0,
  })
  const cells = cellsOf([{ ...scenario('json'), connections: [16] }])
  const samples = new Map([
    ['perigee json 16', [sample(50), sample(80), sample(60)]],
    ['portkey json 16', [sample(100), sample(100), sample(100)]],
  ])
  const contenders = [
    { name: 'perigee', title: 'ours' },
    { name: 'portkey', title: 'theirs' },
  ]
  const large = [sample(1), sample(1), sample(1)].map((one, at) => ({ ...one, cpuMsPerRequest: 3 + at }))
  const { figures, ratios } = edgeFigures(
    contenders,
    cells,
    new Map([...samples, ['perigee large 16', large]]),
    [1, 2, 1],
  )
  expect(figures).toMatchObject({ perigee: { json: { c16: { requestsPerSecond: 60, cpuMsPerRequest: 0.5 } } } })
  expect(ratios).toMatchObject({ 'perigee/portkey': { json: { c16: { requestsPerSecond: 0.6, p50Ms: 1 } } } })
  // Of 3, 2 and 5, alternation by alternation.
  expect(ratios).toMatchObject({ large_vs_json: 3 })
})

test('a bench says what is wrong with its command line', () => {
  const names = ['one', 'two']
  expect(parseBenchOptions([], names)).toMatchObject({ alternations: 7, quick: false, json: false, only: [] })
  expect(parseBenchOptions(['--quick', 'two'], names)).toMatchObject({ alternations: 1, only: ['two'] })
  expect(parseBenchOptions(['--help'], names)).toBe('help')
  expect(() => parseBenchOptions(['--alternations', '0'], names)).toThrow('1 to 99')
  expect(() => parseBenchOptions(['three'], names)).toThrow('no contender three')
  expect(() => parseBenchOptions(['--save', '--quick'], names)).toThrow('Only a whole run')
})
