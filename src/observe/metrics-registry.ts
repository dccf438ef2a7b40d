/** What this isolate has counted and not yet handed over. Pure memory: no clock, no network. */
import { type CounterName, type HistogramName, METRICS, type MetricChange } from './metric-table.ts'

export type MetricsRegistry = {
  add(metric: CounterName, labelValues: readonly string[], amount: number): void
  /** One observation of a histogram, in the metric's unit. */
  observe(metric: HistogramName, labelValues: readonly string[], value: number): void
  /** Everything counted since the last call; the caller now owns it and must not lose it. */
  takeChanges(): MetricChange[]
}

/** Made seven times a request. Not ambiguous: of each metric only one label, the alias, may have a line break in it. */
function keyOf(metric: string, labelValues: readonly string[], field: string): string {
  let key = `${metric}\n${field}`
  for (const label of labelValues) key += `\n${label}`
  return key
}

export function metricsRegistry(): MetricsRegistry {
  let changes = new Map<string, MetricChange>()

  function change(metric: string, labelValues: readonly string[], field: string, amount: number): void {
    const key = keyOf(metric, labelValues, field)
    const known = changes.get(key)
    if (known) known.amount += amount
    else changes.set(key, { metric, labelValues, field, amount })
  }

  return {
    add(metric, labelValues, amount) {
      if (amount !== 0) change(metric, labelValues, '', amount)
    },

    observe(metric, labelValues, value) {
      const bound = METRICS[metric].buckets.find((bucket) => value <= bucket)
      if (bound !== undefined) change(metric, labelValues, String(bound), 1)
      change(metric, labelValues, 'sum', value)
      change(metric, labelValues, 'count', 1)
    },

    takeChanges() {
      const taken = [...changes.values()]
      changes = new Map()
      return taken
    },
  }
}
