/** The Meter port over this isolate's registry: one span per completion. */
import type { AttemptRecord, Meter, MeterSpan } from '../chat/ports.ts'
import type { MetricsRegistry } from './metrics-registry.ts'

/** A request that never ends must not cost one report a second, and an isolate must be heard of well within IN_FLIGHT_HEARD_MS. */
const HEARTBEAT_EVERY_MS = 20_000

/** How long an isolate, or a span in it, counts as alive after its last sign of life: three missed heartbeats. */
export const IN_FLIGHT_HEARD_MS = 60_000

/** The label of every name that is no alias of ours: a caller must not be able to make new series. */
const UNKNOWN_MODEL = 'unknown'

/** Pairs of model and count. */
export type InFlight = (readonly [model: string, count: number])[]

export type RegistryMeter = Meter & {
  /** A call of a deployment has ended, also one that its caller never heard of. */
  attempt(record: AttemptRecord): void
  /** Completions under way by model; models seen before stay in it with 0. */
  inFlight(): InFlight
}

/**
 * `touched` is called after every change, from the context of the request that made it. `every` repeats a call until the function
 * it returns is called, or until the request's context ends: a span whose request was killed stops giving signs of life, and is
 * then forgotten.
 */
export function registryMeter(options: {
  registry: MetricsRegistry
  isKnown: (alias: string) => boolean
  nowMs: () => number
  every: (intervalMs: number, call: () => void) => () => void
  touched: () => void
}): RegistryMeter {
  const { registry, isKnown, nowMs, every, touched } = options
  const spans = new Set<{ model: string; aliveAtMs: number }>()
  const modelsSeen = new Set<string>()

  return {
    begin(alias): MeterSpan {
      const model = isKnown(alias) ? alias : UNKNOWN_MODEL
      const startMs = nowMs()
      const span = { model, aliveAtMs: startMs }
      let sawToken = false
      let ended = false
      spans.add(span)
      modelsSeen.add(model)
      let stopHeartbeat = () => {}
      touched()

      return {
        waits() {
          if (ended) return
          stopHeartbeat()
          stopHeartbeat = every(HEARTBEAT_EVERY_MS, () => {
            span.aliveAtMs = nowMs()
            touched()
          })
        },

        firstToken() {
          if (sawToken) return
          sawToken = true
          registry.observe('llm_time_to_first_token_seconds', [model], (nowMs() - startMs) / 1_000)
        },

        end({ status, code, usage }) {
          if (ended) return
          ended = true
          spans.delete(span)
          stopHeartbeat()
          registry.add(
            'llm_requests_total',
            [model, status, code ?? (status === 'success' ? 'ok' : 'internal_error')],
            1,
          )
          registry.observe('llm_response_time_seconds', [model], (nowMs() - startMs) / 1_000)
          registry.add('llm_tokens_total', [model, 'input'], usage?.prompt_tokens ?? 0)
          registry.add('llm_tokens_total', [model, 'output'], usage?.completion_tokens ?? 0)
          touched()
        },
      }
    },

    attempt({ deploymentId, kind, code, by, firstTokenMs }) {
      registry.add('llm_calls_total', [deploymentId, kind, code ?? 'ok'], 1)
      if (by !== undefined && firstTokenMs !== undefined) registry.add('llm_joins_total', [by], 1)
      touched()
    },

    inFlight() {
      const counts = new Map([...modelsSeen].map((model) => [model, 0]))
      for (const span of spans) {
        if (nowMs() - span.aliveAtMs > IN_FLIGHT_HEARD_MS) spans.delete(span)
        else counts.set(span.model, (counts.get(span.model) ?? 0) + 1)
      }
      return [...counts]
    },
  }
}
