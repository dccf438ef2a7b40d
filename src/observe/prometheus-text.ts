/** Renders stored numbers as Prometheus' text exposition format 0.0.4. Pure. */
import { METRICS, type MetricName } from './metric-table.ts'

/** One stored number; see MetricChange. */
export type StoredNumber = { metric: string; labelValues: readonly string[]; field: string; value: number }

/** Metrics and histogram bounds that the table does not know (counted by a newer or older release) are left out or added up. */
export function prometheusText(numbers: readonly StoredNumber[]): string {
  const lines: string[] = []
  // Object.keys loses the literal type; METRICS is frozen by `as const` and has no other keys.
  for (const name of Object.keys(METRICS) as MetricName[]) {
    const { help, type, labels } = METRICS[name]
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`)
    for (const series of seriesOf(numbers, name)) {
      const pairs = labels.map((label, index) => `${label}="${escapeLabel(series.labelValues[index] ?? '')}"`)
      const metric = METRICS[name]
      if (metric.type === 'histogram') lines.push(...histogramLines(name, pairs, metric.buckets, series.fields))
      else lines.push(`${name}{${pairs.join(',')}} ${series.fields.get('') ?? 0}`)
    }
  }
  return `${lines.join('\n')}\n`
}

type Series = { labelValues: readonly string[]; fields: Map<string, number> }

function seriesOf(numbers: readonly StoredNumber[], metric: MetricName): Series[] {
  const byLabels = new Map<string, Series>()
  for (const { metric: name, labelValues, field, value } of numbers) {
    if (name !== metric) continue
    const key = JSON.stringify(labelValues)
    const series = byLabels.get(key) ?? { labelValues, fields: new Map() }
    series.fields.set(field, (series.fields.get(field) ?? 0) + value)
    byLabels.set(key, series)
  }
  return [...byLabels.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, series]) => series)
}

function histogramLines(
  name: string,
  pairs: readonly string[],
  buckets: readonly number[],
  fields: Map<string, number>,
): string[] {
  const bounds = [...fields].filter(([field]) => field !== 'sum' && field !== 'count')
  const count = fields.get('count') ?? 0
  const atMost = (limit: number): number =>
    bounds.reduce((total, [bound, observations]) => (Number(bound) <= limit ? total + observations : total), 0)
  const bucketLine = (limit: string, observations: number): string =>
    `${name}_bucket{${[...pairs, `le="${limit}"`].join(',')}} ${observations}`
  return [
    ...buckets.map((bound) => bucketLine(String(bound), atMost(bound))),
    bucketLine('+Inf', count),
    `${name}_sum{${pairs.join(',')}} ${fields.get('sum') ?? 0}`,
    `${name}_count{${pairs.join(',')}} ${count}`,
  ]
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
