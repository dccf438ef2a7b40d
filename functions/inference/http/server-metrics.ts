/** What the server counts, and its Prometheus text (exposition format 0.0.4). */
import type { BatchReport } from '../embedding/embedding-engine.ts'
import type { StepReport } from '../engine/engine-messages.ts'

export type ServerMetrics = {
  /** Answers that were given or failed, since the server began. */
  answered(): number
  answers: Counter<{ outcome: string }>
  answerSeconds: Histogram
  firstTokenSeconds: Histogram
  requests: Counter<{ route: string; status: string }>
  /** For the engine. */
  step(report: StepReport): void
  /** For the embedding model. */
  embeddingBatch(report: BatchReport): void
  /** @param gauges read at the time of asking: name to value */
  text(gauges: Record<string, { help: string; value: number }>): string
}

export type Counter<Labels extends Record<string, string>> = { count(labels: Labels, amount?: number): void }
export type Histogram = { observe(value: number): void }

/** Seconds. A step of a small model takes 10 ms, a first token in a full queue a minute. */
const BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]

export function createServerMetrics(): ServerMetrics {
  const families: (() => string[])[] = []

  function counter<Labels extends Record<string, string>>(
    name: string,
    help: string,
  ): Counter<Labels> & { total(): number } {
    const values = new Map<string, number>()
    families.push(() => [
      ...head(name, help, 'counter'),
      ...[...values].map(([labels, value]) => `${name}${labels} ${value}`),
    ])
    return {
      count(labels, amount = 1) {
        const key = labelText(labels)
        values.set(key, (values.get(key) ?? 0) + amount)
      },
      total: () => [...values.values()].reduce((sum, value) => sum + value, 0),
    }
  }

  function histogram(name: string, help: string): Histogram {
    const counts = BUCKETS_SECONDS.map(() => 0)
    let total = 0
    let sum = 0
    families.push(() => [
      ...head(name, help, 'histogram'),
      ...BUCKETS_SECONDS.map((bound, index) => `${name}_bucket{le="${bound}"} ${counts[index]}`),
      `${name}_bucket{le="+Inf"} ${total}`,
      `${name}_sum ${sum}`,
      `${name}_count ${total}`,
    ])
    return {
      observe(value) {
        total++
        sum += value
        for (const [index, bound] of BUCKETS_SECONDS.entries()) {
          if (value <= bound) counts[index] = (counts[index] ?? 0) + 1
        }
      },
    }
  }

  const requests = counter<{ route: string; status: string }>(
    'perigee_inference_requests_total',
    'HTTP requests by route and status.',
  )
  const answers = counter<{ outcome: string }>('perigee_inference_answers_total', 'Answers by how they ended.')
  const tokens = counter<{ kind: string }>(
    'perigee_inference_tokens_total',
    'Tokens computed of prompts (prompt), taken from the prefix cache instead (cached), read again in idle time (reread), generated, and embedded.',
  )
  const answerSeconds = histogram(
    'perigee_inference_answer_seconds',
    'From accepting a request to the end of its answer.',
  )
  const firstTokenSeconds = histogram(
    'perigee_inference_time_to_first_token_seconds',
    'From accepting a request to its first token.',
  )
  const stepSeconds = {
    prefill: histogram('perigee_inference_prefill_step_seconds', 'One run over a chunk of a prompt.'),
    decode: histogram(
      'perigee_inference_decode_step_seconds',
      'One run that advances every running answer by a token.',
    ),
  }
  let storedBytes = 0
  families.push(() => [
    ...head('perigee_inference_prefix_cache_bytes', 'Keys and values kept for later prompts.', 'gauge'),
    `perigee_inference_prefix_cache_bytes ${storedBytes}`,
  ])
  const embeddedInputs = counter<Record<string, never>>('perigee_inference_embedded_inputs_total', 'Inputs embedded.')
  const embeddingSeconds = histogram('perigee_inference_embedding_batch_seconds', 'One batch of inputs to embed.')
  const rows = { waiting: 0, prefilling: 0, decoding: 0 }
  for (const [state, help] of [
    ['waiting', 'Requests that wait for a slot.'],
    ['prefilling', 'Slots whose prompt is being read.'],
    ['decoding', 'Slots that generate.'],
  ] as const) {
    const name = `perigee_inference_${state}`
    families.push(() => [...head(name, help, 'gauge'), `${name} ${rows[state]}`])
  }

  return {
    answered: answers.total,
    answers,
    answerSeconds,
    firstTokenSeconds,
    requests,
    step({ kind, milliseconds, amount, tokens: generated, cached, ...gauges }) {
      const { waiting, prefilling, decoding } = gauges
      Object.assign(rows, { waiting, prefilling, decoding })
      storedBytes = gauges.storedBytes
      if (amount === 0 && generated.length === 0) return
      if (kind === 'reread') return tokens.count({ kind }, amount)
      stepSeconds[kind].observe(milliseconds / 1_000)
      if (kind === 'prefill') tokens.count({ kind: 'prompt' }, amount)
      for (const [, count] of cached) tokens.count({ kind: 'cached' }, count)
      // The list alternates request and token.
      tokens.count({ kind: 'generated' }, generated.length / 2)
    },
    embeddingBatch({ inputs, tokens: embedded, milliseconds }) {
      embeddingSeconds.observe(milliseconds / 1_000)
      embeddedInputs.count({}, inputs)
      tokens.count({ kind: 'embedded' }, embedded)
    },
    text(gauges) {
      const lines = families.flatMap((family) => family())
      for (const [name, { help, value }] of Object.entries(gauges)) {
        lines.push(...head(name, help, 'gauge'), `${name} ${value}`)
      }
      return `${lines.join('\n')}\n`
    },
  }
}

const head = (name: string, help: string, type: string) => [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`]

const labelText = (labels: Record<string, string>) =>
  `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replace(/["\\\n]/g, '_')}"`)
    .join(',')}}`
