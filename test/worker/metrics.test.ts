import { createExecutionContext, evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Principal } from '../../src/chat/ports.ts'
import type { ChatTurnRequest } from '../../src/contract/chat-turn.ts'
import type { Scope } from '../../src/contract/scopes.ts'
import { isolateMetrics } from '../../src/observe/isolate-metrics.ts'
import { METRICS } from '../../src/observe/metric-table.ts'
import type { MetricsCollector, MetricsReport } from '../../src/observe/metrics-flush.ts'
import { prometheusText } from '../../src/observe/prometheus-text.ts'
import { allPorts, wholeApp } from '../../src/whole-app.ts'
import { modelServer } from './conversation-model-server.ts'
import { MODEL } from './edge-client.ts'
import { parsePrometheus } from './metrics-text-parser.ts'

const NOTE = { requestId: 'req_1', stream: false }
const PRINCIPAL: Principal = { tenantId: 'tnt_default', keyId: 'key_default', scopes: ['chat', 'metrics:read'] }
const USAGE = { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 }

afterEach(() => {
  vi.restoreAllMocks()
})

function isolate(object: string, collector: () => MetricsCollector = () => env.METRICS.getByName(object)) {
  let nowMs = 1_000_000
  const metrics = isolateMetrics({
    isKnown: (alias) => alias === 'm1' || alias === 'm2',
    collector,
    // Reports are sent by reading, not by the clock.
    waitUntil: () => {},
    nowMs: () => nowMs,
  })
  return {
    text: () => metrics.reader.text(),
    begin: (alias = 'm1') => metrics.meter.begin(alias, PRINCIPAL, NOTE),
    answer(alias = 'm1', seconds = 0.7) {
      const span = metrics.meter.begin(alias, PRINCIPAL, NOTE)
      nowMs += seconds * 500
      span.firstToken()
      nowMs += seconds * 500
      span.end({ status: 'success', usage: USAGE })
    },
  }
}

/** The value of the one series with this name and at least these labels; undefined when there is none. */
function valueIn(text: string, name: string, labels: Record<string, string> = {}): number | undefined {
  const found = [...parsePrometheus(text).values()]
    .flatMap(({ samples }) => samples)
    .filter(
      (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    )
  if (found.length > 1) throw new Error(`${found.length} series fit`)
  return found[0]?.value
}

describe('the text', () => {
  test('of an object that was never told anything names every metric and is valid', async () => {
    const families = parsePrometheus(await env.METRICS.getByName('empty').text())
    expect([...families].map(([name, { type }]) => [name, type])).toEqual(
      Object.entries(METRICS).map(([name, { type }]) => [name, type]),
    )
  })

  test('counts requests, tokens and times', async () => {
    const one = isolate('counts')
    one.answer('m1', 0.7)
    one.answer('m1', 2)
    one.begin('m2').end({ status: 'error', code: 'upstream_timeout' })
    const text = await one.text()
    expect(valueIn(text, 'llm_requests_total', { model: 'm1', status: 'success', code: 'ok' })).toBe(2)
    expect(valueIn(text, 'llm_requests_total', { model: 'm2', status: 'error', code: 'upstream_timeout' })).toBe(1)
    expect(valueIn(text, 'llm_tokens_total', { model: 'm1', direction: 'input' })).toBe(24)
    expect(valueIn(text, 'llm_tokens_total', { model: 'm1', direction: 'output' })).toBe(6)
    expect(valueIn(text, 'llm_response_time_seconds_bucket', { model: 'm1', le: '0.5' })).toBe(0)
    expect(valueIn(text, 'llm_response_time_seconds_bucket', { model: 'm1', le: '1' })).toBe(1)
    expect(valueIn(text, 'llm_response_time_seconds_bucket', { model: 'm1', le: '2.5' })).toBe(2)
    expect(valueIn(text, 'llm_response_time_seconds_sum', { model: 'm1' })).toBeCloseTo(2.7)
    expect(valueIn(text, 'llm_time_to_first_token_seconds_count', { model: 'm1' })).toBe(2)
    expect(valueIn(text, 'llm_time_to_first_token_seconds_count', { model: 'm2' })).toBeUndefined()
  })

  test('takes no model’s name from a caller', async () => {
    const one = isolate('labels')
    one.begin('made-up"\n').end({ status: 'error', code: 'model_not_found' })
    const text = await one.text()
    expect(valueIn(text, 'llm_requests_total', { model: 'unknown', code: 'model_not_found' })).toBe(1)
    expect(text).not.toContain('made-up')
  })

  test('escapes what a label may hold', () => {
    const model = 'a"b\\c\nd'
    const text = prometheusText([{ metric: 'llm_requests_in_flight', labelValues: [model], field: '', value: 1 }])
    expect(valueIn(text, 'llm_requests_in_flight', { model })).toBe(1)
  })

  test('stays a valid histogram when counts were made with other bounds', () => {
    const metric = 'llm_response_time_seconds'
    const numbers = Object.entries({ '0.3': 2, '0.5': 1, '7': 4, sum: 30, count: 8 })
    const text = prometheusText(numbers.map(([field, value]) => ({ metric, labelValues: ['m1'], field, value })))
    expect(valueIn(text, `${metric}_bucket`, { le: '0.25' })).toBe(0)
    expect(valueIn(text, `${metric}_bucket`, { le: '0.5' })).toBe(3)
    expect(valueIn(text, `${metric}_bucket`, { le: '10' })).toBe(7)
    expect(valueIn(text, `${metric}_bucket`, { le: '+Inf' })).toBe(8)
  })
})

describe('what isolates count', () => {
  test('adds up, each seeing its own at once, and outlives the object’s eviction', async () => {
    const [one, two] = [isolate('sum'), isolate('sum')]
    one.answer()
    expect(valueIn(await one.text(), 'llm_requests_total')).toBe(1)
    two.answer()
    two.answer()
    expect(valueIn(await two.text(), 'llm_requests_total')).toBe(3)
    await evictDurableObject(env.METRICS.getByName('sum'))
    one.answer()
    expect(valueIn(await one.text(), 'llm_requests_total')).toBe(4)
    expect(valueIn(await one.text(), 'llm_tokens_total', { direction: 'input' })).toBe(48)
  })

  test('counts once although the acknowledgement was lost, and is kept although the report was lost', async () => {
    const object = env.METRICS.getByName('lossy')
    const failures: ('before' | 'after')[] = ['after', 'before']
    const one = isolate('lossy', () => ({
      async collect(report: MetricsReport) {
        const failure = failures.shift()
        if (failure === 'before') throw new Error('The report is lost')
        const acknowledgement = await object.collect(report)
        if (failure === 'after') throw new Error('The acknowledgement is lost')
        return acknowledgement
      },
      text: () => object.text(),
    }))
    one.answer()
    await expect(one.text()).rejects.toThrow('acknowledgement')
    one.answer()
    await expect(one.text()).rejects.toThrow('report')
    one.answer()
    expect(valueIn(await one.text(), 'llm_requests_total')).toBe(3)
    expect(valueIn(await one.text(), 'llm_requests_total')).toBe(3)
  })

  test('counts once when several requests report at the same time', async () => {
    const one = isolate('together')
    one.answer()
    const texts = [one.text(), one.text()]
    one.answer()
    texts.push(one.text())
    const counts = (await Promise.all(texts)).map((text) => valueIn(text, 'llm_requests_total'))
    expect(counts[2]).toBe(2)
    expect(valueIn(await one.text(), 'llm_requests_total')).toBe(2)
  })

  test('a replayed report counts once, also after the object was evicted', async () => {
    const object = env.METRICS.getByName('replay')
    const report: MetricsReport = {
      isolateId: 'i1',
      sequence: 1,
      changes: [{ metric: 'llm_tokens_total', labelValues: ['m1', 'input'], field: '', amount: 5 }],
      inFlight: [],
    }
    expect(await object.collect(report)).toMatchObject({ acknowledged: 1, nextReportInMs: 1_000 })
    await evictDurableObject(object)
    expect(await object.collect(report)).toMatchObject({ acknowledged: 1 })
    expect(await object.collect({ ...report, isolateId: 'i2' })).toMatchObject({ acknowledged: 1 })
    expect(valueIn(await object.text(), 'llm_tokens_total')).toBe(10)
  })

  test('a change of a metric that this release does not know is left out, the rest counts', async () => {
    const object = env.METRICS.getByName('newer')
    await object.collect({
      isolateId: 'i1',
      sequence: 1,
      changes: [
        { metric: 'llm_of_tomorrow', labelValues: [], field: '', amount: 1 },
        { metric: 'llm_tokens_total', labelValues: ['m1', 'input'], field: '', amount: Number.NaN },
        { metric: 'llm_tokens_total', labelValues: ['m1', 'input'], field: '', amount: 5 },
      ],
      inFlight: [],
    })
    expect(valueIn(await object.text(), 'llm_tokens_total')).toBe(5)
  })
})

describe('the object’s bounds', () => {
  const change = (model: string) => ({
    metric: 'llm_tokens_total',
    labelValues: [model, 'input'],
    field: '',
    amount: 1,
  })

  test('many isolates are told to report less often, and those silent for a day are forgotten', async () => {
    const object = env.METRICS.getByName('crowd')
    await runInDurableObject(object, (_, state) => {
      const insert = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250)
        INSERT INTO isolate SELECT ? || i, 1, ?, '[]' FROM n`
      state.storage.sql.exec(insert, 'alive', Date.now())
      state.storage.sql.exec(insert, 'gone', Date.now() - 86_400_001)
    })
    const report = { isolateId: 'i1', sequence: 1, changes: [], inFlight: [] }
    expect(await object.collect(report)).toEqual({ acknowledged: 1, nextReportInMs: 2_510 })
    const isolates = await runInDurableObject(object, (_, state) =>
      state.storage.sql.exec<{ n: number }>('SELECT count(*) AS n FROM isolate').one(),
    )
    expect(isolates).toEqual({ n: 251 })
  })

  test('at 20,000 numbers no series is added, but those there are go on counting', async () => {
    const object = env.METRICS.getByName('full')
    await object.collect({ isolateId: 'i1', sequence: 1, changes: [change('m1')], inFlight: [] })
    await runInDurableObject(object, (_, state) => {
      state.storage.sql.exec(`WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO number SELECT 'other', '[]', i, 1 FROM n`)
    })
    await object.collect({ isolateId: 'i1', sequence: 2, changes: [change('m1'), change('m2')], inFlight: [] })
    const text = await object.text()
    expect(valueIn(text, 'llm_tokens_total', { model: 'm1' })).toBe(2)
    expect(valueIn(text, 'llm_tokens_total', { model: 'm2' })).toBeUndefined()
  })
})

describe('in flight', () => {
  test('is the sum over isolates, 0 when all is done', async () => {
    const [one, two] = [isolate('flight'), isolate('flight')]
    const spans = [one.begin(), one.begin(), two.begin()]
    await one.text()
    expect(valueIn(await two.text(), 'llm_requests_in_flight', { model: 'm1' })).toBe(3)
    for (const span of spans) span.end({ status: 'success' })
    await one.text()
    expect(valueIn(await two.text(), 'llm_requests_in_flight', { model: 'm1' })).toBe(0)
  })

  test('forgets an isolate that was not heard of for a minute; its counters stay', async () => {
    const [dead, alive] = [isolate('silent'), isolate('silent')]
    dead.answer()
    dead.begin()
    await dead.text()
    alive.begin()
    expect(valueIn(await alive.text(), 'llm_requests_in_flight')).toBe(2)
    await runInDurableObject(env.METRICS.getByName('silent'), (_, state) => {
      state.storage.sql.exec(
        `UPDATE isolate SET heard_at_ms = heard_at_ms - 60001 WHERE in_flight = '[["m1",1]]' AND sequence = 1
         AND isolate_id = (SELECT isolate_id FROM isolate ORDER BY heard_at_ms LIMIT 1)`,
      )
    })
    const text = await alive.text()
    expect(valueIn(text, 'llm_requests_in_flight')).toBe(1)
    expect(valueIn(text, 'llm_requests_total')).toBe(1)
  })
})

describe('GET /metrics', () => {
  const wired = allPorts(env)

  function request(path: string, scopes: readonly Scope[], body?: object): Promise<Response> {
    const keys = { find: async () => ({ ...PRINCIPAL, scopes }) }
    const settings = { ...wired.settings, logLevel: 'silent' as const }
    const app = wholeApp(() => ({ ...wired, keys, settings }))
    const headers = { authorization: 'Bearer any', 'content-type': 'application/json' }
    const init = body ? { method: 'POST', headers, body: JSON.stringify(body) } : { headers }
    return Promise.resolve(app.fetch(new Request(`https://edge.test${path}`, init), env, createExecutionContext()))
  }

  test('shows the asking isolate’s own requests at once, as Prometheus text', async () => {
    modelServer()
    expect((await request('/generate', ['chat'], { text: 'Once' })).status).toBe(200)
    const response = await request('/metrics', ['metrics:read'])
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    const text = await response.text()
    expect(valueIn(text, 'llm_requests_total', { model: 'smollm2-135m-instruct', status: 'success' })).toBe(1)
    expect(valueIn(text, 'llm_requests_in_flight', { model: 'smollm2-135m-instruct' })).toBe(0)
  })

  test('gets what a conversation’s object counted without anybody asking for it', async () => {
    modelServer()
    const before = valueIn(await env.METRICS.getByName('all').text(), 'llm_requests_total', { code: 'ok' }) ?? 0
    await wired.conversations.turn({ principal: PRINCIPAL, request: { message: 'hi', user_id: 'u' }, requestId: 'r' })
    await vi.waitUntil(
      async () =>
        valueIn(await env.METRICS.getByName('all').text(), 'llm_requests_total', { code: 'ok' }) === before + 1,
      { timeout: 5_000, interval: 100 },
    )
  })

  test('counts a turn of a conversation once, however it fails and however often the model is asked', async () => {
    const model = modelServer()
    vi.spyOn(console, 'log').mockImplementation(() => {})
    const turn = (message: string, more: Partial<ChatTurnRequest> = {}) =>
      wired.conversations.turn({ principal: PRINCIPAL, request: { message, user_id: 'u', ...more }, requestId: 'r' })
    const counts = async () => {
      const text = await wired.metrics.text()
      const of = (labels: Record<string, string>) => valueIn(text, 'llm_requests_total', labels) ?? 0
      return {
        ok: of({ model: MODEL, code: 'ok' }),
        tooLong: of({ model: MODEL, code: 'context_length_exceeded' }),
        busy: of({ model: MODEL, code: 'upstream_overloaded' }),
        unknown: of({ model: 'unknown', code: 'model_not_found' }),
        output: valueIn(text, 'llm_tokens_total', { model: MODEL, direction: 'output' }) ?? 0,
        inFlight: valueIn(text, 'llm_requests_in_flight', { model: MODEL }),
      }
    }
    const before = await counts()

    await turn('hi', { model_config: { model: 'no-such-model' } })
    model.charsMax = 5_000
    await turn('x'.repeat(6_000))
    model.charsMax = 1_000_000
    model.contextTokens = 4_000
    model.refuseCounts = { message: 'busy', type: 'overloaded_error', status: 503 }
    await turn('x'.repeat(3_000))
    model.refuseCounts = undefined
    const tooLong = { message: 'too long', type: 'invalid_request_error', code: 'context_length_exceeded' }
    model.replies = [{ text: 'one' }, { status: 400, error: tooLong }, { text: 'two' }]
    const first = await turn('hello')
    const conversation_id = first.ok ? first.response.conversation_id : ''
    expect(await turn('refitted', { conversation_id })).toMatchObject({ ok: true, response: { response: 'two' } })

    const after = {
      ok: before.ok + 2,
      tooLong: before.tooLong + 1,
      busy: before.busy + 1,
      unknown: before.unknown + 1,
      output: before.output + 'onetwo'.length,
      inFlight: 0,
    }
    // The conversation's object reports for itself, in the background.
    await vi.waitFor(async () => expect(await counts()).toEqual(after), { timeout: 5_000, interval: 100 })
  })

  test('needs the scope metrics:read', async () => {
    const response = await request('/metrics', ['chat'])
    expect(response.status).toBe(403)
    expect(await response.json()).toMatchObject({ code: 'permission_denied' })
  })
})
