/** How long one answer took and how it ended, for the metrics. */
import type { EngineErrorCode } from '../engine/engine-client.ts'
import type { ServerMetrics } from './server-metrics.ts'

type Outcome = 'ok' | 'cancelled' | 'deadline_exceeded' | EngineErrorCode

/** Only the first end counts, since a completed response closes too. */
export function startClock(metrics: ServerMetrics) {
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1_000
  let isOver = false
  return {
    firstToken: once(() => metrics.firstTokenSeconds.observe(seconds())),
    over(outcome: Outcome) {
      if (isOver) return
      isOver = true
      metrics.answers.count({ outcome })
      metrics.answerSeconds.observe(seconds())
    },
  }
}

export function once(action: () => void): () => void {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    action()
  }
}
