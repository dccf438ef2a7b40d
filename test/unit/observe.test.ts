/** What an isolate counts, and when it hands it over. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type MetricsReport, metricsFlush } from '../../src/observe/metrics-flush.ts'
import { metricsRegistry } from '../../src/observe/metrics-registry.ts'
import { registryMeter } from '../../src/observe/registry-meter.ts'

const PRINCIPAL = { tenantId: 't', keyId: 'k', scopes: [] }
const NOTE = { requestId: 'req_1', stream: false }

afterEach(() => {
  vi.restoreAllMocks()
})

describe('the meter', () => {
  function meter() {
    const clock = { nowMs: 0 }
    const beats = new Set<() => void>()
    let touches = 0
    const registry = metricsRegistry()
    const made = registryMeter({
      registry,
      isKnown: () => true,
      nowMs: () => clock.nowMs,
      every(_, call) {
        beats.add(call)
        return () => beats.delete(call)
      },
      touched: () => touches++,
    })
    return { made, registry, clock, beats, touches: () => touches }
  }

  test('counts an end once, whoever calls it twice, and a success without usage has no tokens', () => {
    const { made, registry } = meter()
    const span = made.begin('m', PRINCIPAL, NOTE)
    span.end({ status: 'success' })
    span.end({ status: 'error', code: 'caller_gone' })
    const counted = registry.takeChanges().filter(({ metric }) => !metric.endsWith('_seconds'))
    expect(counted).toEqual([
      { metric: 'llm_requests_total', labelValues: ['m', 'success', 'ok'], field: '', amount: 1 },
    ])
  })

  test('counts calls of deployments by how they ended, and as joins those that took an answer up', () => {
    const { made, registry } = meter()
    const call = { deploymentId: 'd', model: 'm', startedAtMs: 0, ms: 5 }
    made.attempt({ ...call, kind: 'first', firstTokenMs: 1, code: 'upstream_interrupted' })
    made.attempt({ ...call, kind: 'continuation', by: 'token_ids', code: 'upstream_unavailable' })
    made.attempt({ ...call, kind: 'continuation', by: 'assistant', firstTokenMs: 1 })
    expect(registry.takeChanges().map(({ metric, labelValues, amount }) => [metric, ...labelValues, amount])).toEqual([
      ['llm_calls_total', 'd', 'first', 'upstream_interrupted', 1],
      ['llm_calls_total', 'd', 'continuation', 'upstream_unavailable', 1],
      ['llm_calls_total', 'd', 'continuation', 'ok', 1],
      ['llm_joins_total', 'assistant', 1],
    ])
  })

  test('a span that is alive stays in flight for hours; one that was killed is forgotten after a minute, but its end still counts', () => {
    const { made, registry, clock, beats } = meter()
    const alive = made.begin('m', PRINCIPAL, NOTE)
    alive.waits()
    const beat = [...beats][0]
    const killed = made.begin('m', PRINCIPAL, NOTE)
    killed.waits()
    expect(made.inFlight()).toEqual([['m', 2]])
    for (let minute = 0; minute < 180; minute++) {
      clock.nowMs += 20_000
      beat?.()
    }
    expect(made.inFlight()).toEqual([['m', 1]])
    alive.end({ status: 'success' })
    killed.end({ status: 'success' })
    expect(made.inFlight()).toEqual([['m', 0]])
    expect(beats.size).toBe(0)
    expect(registry.takeChanges().find(({ metric }) => metric === 'llm_requests_total')?.amount).toBe(2)
  })

  test('has a report made at the beginning, the end and each sign of life', () => {
    const { made, beats, touches } = meter()
    const span = made.begin('m', PRINCIPAL, NOTE)
    expect([touches(), beats.size]).toEqual([1, 0])
    span.waits()
    span.waits()
    expect([touches(), beats.size]).toEqual([1, 1])
    for (const beat of beats) beat()
    expect(touches()).toBe(2)
    span.end({ status: 'success' })
    expect(touches()).toBe(3)
  })
})

describe('reports', () => {
  function flush(collect: (report: MetricsReport) => Promise<void> = async () => {}) {
    const registry = metricsRegistry()
    const reports: MetricsReport[] = []
    const kept: Promise<unknown>[] = []
    const sleeps: { ms: number; wake: () => void }[] = []
    const clock = { nowMs: 0 }
    const made = metricsFlush({
      registry,
      inFlight: () => [],
      collector: () => ({
        async collect(report) {
          reports.push(structuredClone(report))
          await collect(report)
          return { acknowledged: report.sequence, nextReportInMs: 1_500 }
        },
        text: async () => '',
      }),
      waitUntil: (promise) => kept.push(promise),
      nowMs: () => clock.nowMs,
      sleep: (ms) => new Promise((wake) => sleeps.push({ ms, wake })),
      newIsolateId: () => 'isolate',
    })
    const count = () => {
      registry.add('llm_tokens_total', ['m', 'input'], 1)
      made.soon()
    }
    const amounts = () => reports.map(({ changes }) => changes[0]?.amount)
    return { made, count, reports, amounts, kept, sleeps, clock }
  }

  test('are sent at once and then once a second, one for all that was counted until then', async () => {
    const { count, reports, amounts, kept, sleeps, clock } = flush()
    clock.nowMs = 5_000
    for (let index = 0; index < 50; index++) count()
    expect(kept).toHaveLength(1)
    expect(reports).toEqual([])
    sleeps[0]?.wake()
    await kept[0]
    expect(amounts()).toEqual([50])
    clock.nowMs = 5_400
    for (let index = 0; index < 7; index++) count()
    // The object has said that it wants to hear every 1.5 s.
    expect(sleeps.map(({ ms }) => ms)).toEqual([0, 1_100])
    sleeps[1]?.wake()
    await kept[1]
    expect(reports.map(({ sequence }) => sequence)).toEqual([1, 2])
    expect(amounts()).toEqual([50, 7])
    clock.nowMs = 60_000
    count()
    expect(sleeps[2]?.ms).toBe(0)
  })

  test('what is counted while a report is under way goes into the next, which is not forgotten', async () => {
    const made = flush(async ({ sequence }) => {
      if (sequence <= 2) made.count()
    })
    made.count()
    made.sleeps[0]?.wake()
    await made.kept[0]
    made.sleeps[1]?.wake()
    await made.kept[1]
    expect(made.amounts()).toEqual([1, 1, 1])
    expect(made.reports.map(({ sequence }) => sequence)).toEqual([1, 2, 3])
  })

  test('that fail throw at nobody, and are sent again unchanged before anything new', async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    let down = true
    const { count, reports, amounts, kept, sleeps } = flush(async () => {
      if (down) throw new Error('down')
    })
    count()
    sleeps[0]?.wake()
    await kept[0]
    down = false
    count()
    sleeps[1]?.wake()
    await kept[1]
    expect(amounts()).toEqual([1, 1, 1])
    expect(reports[1]).toEqual(reports[0])
    expect(reports.map(({ sequence }) => sequence)).toEqual([1, 1, 2])
  })

  test('go on when the request that was to send one has died with its timer', () => {
    const { count, kept, clock } = flush()
    count()
    clock.nowMs = 9_000
    count()
    expect(kept).toHaveLength(1)
    clock.nowMs = 12_000
    count()
    expect(kept).toHaveLength(2)
  })

  test('are not made when nothing happened', async () => {
    const { made, reports } = flush()
    await made.text()
    expect(reports).toEqual([])
  })
})
