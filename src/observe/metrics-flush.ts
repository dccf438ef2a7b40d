/**
 * Hands this isolate's counts to the Metrics object, off the request path. What was counted is kept until the object has
 * acknowledged it, and sent again unchanged under the same number, so that it counts exactly once.
 */
import type { MetricsReader } from '../http/ports.ts'
import type { MetricChange } from './metric-table.ts'
import type { MetricsRegistry } from './metrics-registry.ts'
import type { InFlight } from './registry-meter.ts'

export type MetricsReport = {
  isolateId: string
  /** From 1, without gaps: a report is only made when the one before it was acknowledged. */
  sequence: number
  changes: MetricChange[]
  inFlight: InFlight
}

/** What the Metrics object offers; its stub fits. */
export type MetricsCollector = {
  collect(report: MetricsReport): Promise<{ acknowledged: number; nextReportInMs: number }>
  text(): Promise<string>
}

export type MetricsFlush = MetricsReader & {
  /** Has a report sent in the background: at once when the last is a second old, else when it is. Never throws, never waits. */
  soon(): void
}

/** Until the object says otherwise. */
const REPORT_EVERY_MS = 1_000

/** A request's context may die with its timer in it. After this long another request takes over. */
const ABANDONED_AFTER_MS = 10_000

/**
 * `collector` makes a stub for the current request: stubs may not be shared between requests.
 * `waitUntil` keeps the current request's context alive after its response.
 */
export function metricsFlush(options: {
  registry: MetricsRegistry
  inFlight: () => InFlight
  collector: () => MetricsCollector
  waitUntil: (promise: Promise<unknown>) => void
  nowMs: () => number
  sleep: (ms: number) => Promise<void>
  newIsolateId: () => string
}): MetricsFlush {
  const { registry, inFlight, collector, waitUntil, nowMs, sleep, newIsolateId } = options
  let isolateId: string | undefined
  let lastSequence = 0
  let unacknowledged: MetricsReport | undefined
  let reportEveryMs = REPORT_EVERY_MS
  let touchedSinceReport = false
  let scheduledAtMs: number | undefined
  let lastReportAtMs = Number.NEGATIVE_INFINITY

  /**
   * Brings everything counted before the call: what is not acknowledged, then what was counted meanwhile. Two rounds are enough,
   * also beside another flush, which has then taken what this one does not find. Several at once do no harm: reports are numbered.
   */
  async function flush(stub: MetricsCollector): Promise<void> {
    for (let round = 0; round < 2; round++) {
      unacknowledged ??= nextReport()
      if (!unacknowledged) return
      await send(stub, unacknowledged)
    }
  }

  function nextReport(): MetricsReport | undefined {
    if (!touchedSinceReport) return undefined
    touchedSinceReport = false
    // Made late: random numbers are not to be had while an isolate starts.
    isolateId ??= newIsolateId()
    lastSequence += 1
    return { isolateId, sequence: lastSequence, changes: registry.takeChanges(), inFlight: inFlight() }
  }

  async function send(stub: MetricsCollector, report: MetricsReport): Promise<void> {
    const { nextReportInMs } = await stub.collect(report)
    reportEveryMs = nextReportInMs
    if (unacknowledged?.sequence === report.sequence) unacknowledged = undefined
  }

  async function reportAfterPause(): Promise<void> {
    await sleep(Math.max(0, lastReportAtMs + reportEveryMs - nowMs()))
    lastReportAtMs = nowMs()
    try {
      await flush(collector())
      scheduledAtMs = undefined
      if (touchedSinceReport) soon()
    } catch (cause) {
      // Open by policy: metrics never fail a request. The report is kept, the next request brings it.
      scheduledAtMs = undefined
      console.warn(JSON.stringify({ level: 'warn', event: 'metrics_report_failed', cause: String(cause) }))
    }
  }

  function soon(): void {
    touchedSinceReport = true
    const abandoned = scheduledAtMs !== undefined && nowMs() - scheduledAtMs > reportEveryMs + ABANDONED_AFTER_MS
    if (scheduledAtMs !== undefined && !abandoned) return
    scheduledAtMs = nowMs()
    waitUntil(reportAfterPause())
  }

  return {
    soon,

    async text() {
      const stub = collector()
      await flush(stub)
      return stub.text()
    },
  }
}
