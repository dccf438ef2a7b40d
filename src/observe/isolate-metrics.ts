/** This isolate's counting: the meter for completions, the reader for `GET /metrics`, and the reports between the two. */
import type { AttemptRecord, Meter } from '../chat/ports.ts'
import type { MetricsReader } from '../http/ports.ts'
import { type MetricsCollector, metricsFlush } from './metrics-flush.ts'
import { metricsRegistry } from './metrics-registry.ts'
import { registryMeter } from './registry-meter.ts'

/**
 * Make it once per isolate: its counts live in memory until the Metrics object has them.
 * `isKnown` says whether a name is an alias of ours; all others are counted as `unknown`.
 * `waitUntil` is the one of `cloudflare:workers`, which finds the request (or object) that it is called in.
 */
export function isolateMetrics(options: {
  isKnown: (alias: string) => boolean
  collector: () => MetricsCollector
  waitUntil: (promise: Promise<unknown>) => void
  nowMs?: () => number
}): { meter: Meter; countCall: (record: AttemptRecord) => void; reader: MetricsReader } {
  const nowMs = options.nowMs ?? Date.now
  const registry = metricsRegistry()
  const meter = registryMeter({ registry, isKnown: options.isKnown, nowMs, every, touched: () => flush.soon() })
  const flush = metricsFlush({
    registry,
    inFlight: meter.inFlight,
    collector: options.collector,
    waitUntil: options.waitUntil,
    nowMs,
    sleep,
    newIsolateId: () => crypto.randomUUID(),
  })
  return { meter, countCall: meter.attempt, reader: flush }
}

function every(intervalMs: number, call: () => void): () => void {
  const timer = setInterval(call, intervalMs)
  return () => clearInterval(timer)
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
