/** Every metric of `GET /metrics`: its name, help, labels and buckets. The isolates count by it, the Metrics object renders by it. */

type Counter = { type: 'counter'; help: string; labels: readonly string[] }
type Gauge = { type: 'gauge'; help: string; labels: readonly string[] }
type Histogram = { type: 'histogram'; help: string; labels: readonly string[]; buckets: readonly number[] }

// Bounds in seconds. They may change at any time: the object stores how many observations fell at or below each bound they
// were counted with, and adds them up to the bounds of the day.
const RESPONSE_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 300]
const FIRST_TOKEN_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

export const METRICS = {
  llm_requests_total: {
    type: 'counter',
    help: 'Completions that ended, by outcome. The code is ok, or the error code of docs/errors.md.',
    labels: ['model', 'status', 'code'],
  },
  llm_response_time_seconds: {
    type: 'histogram',
    help: 'Time from the start of a completion to its end, whatever the outcome.',
    labels: ['model'],
    buckets: RESPONSE_SECONDS,
  },
  llm_time_to_first_token_seconds: {
    type: 'histogram',
    help: 'Time from the start of a completion to the first event of the model.',
    labels: ['model'],
    buckets: FIRST_TOKEN_SECONDS,
  },
  llm_tokens_total: {
    type: 'counter',
    help: 'Tokens as the model reported them, by direction: input or output.',
    labels: ['model', 'direction'],
  },
  llm_calls_total: {
    type: 'counter',
    help: 'Calls of deployments that ended. The kind is first, retry or continuation, the code ok or the error code of docs/errors.md.',
    labels: ['deployment', 'kind', 'code'],
  },
  llm_joins_total: {
    type: 'counter',
    help: 'Answers that another deployment took up, by how: token_ids, assistant or instruct.',
    labels: ['by'],
  },
  llm_requests_in_flight: {
    type: 'gauge',
    help: 'Completions under way in isolates heard of in the last minute.',
    labels: ['model'],
  },
} as const satisfies Record<string, Counter | Gauge | Histogram>

type Table = typeof METRICS
export type MetricName = keyof Table
export type CounterName = { [Name in MetricName]: Table[Name]['type'] extends 'counter' ? Name : never }[MetricName]
export type HistogramName = { [Name in MetricName]: Table[Name]['type'] extends 'histogram' ? Name : never }[MetricName]

/**
 * An amount to add to one stored number. `labelValues` follow the table's order. `field` is empty for a counter; for a histogram it
 * is `sum` (seconds), `count`, or the text of the smallest bucket bound that the observations did not exceed.
 */
export type MetricChange = { metric: string; labelValues: readonly string[]; field: string; amount: number }
