/** The Meter port that makes a row of the log of each completion. On the path of a request: synchronous, and small. */
import type { AttemptRecord, Meter, MeterSpan, Step } from '../chat/ports.ts'
import { ERRORS } from '../errors.ts'
import { type LogRow, rowId, rowText, type Stage } from './log-row.ts'

/** What callers choose is kept this far. */
const TEXT_CHARS_MAX = 256

const NO_CALLS: readonly AttemptRecord[] = []

export function logMeter(options: {
  /** Told of a row when its completion has ended. Never throws, never waits. */
  add(tenantId: string, row: string): void
  nowMs(): number
  /** Eight characters. */
  newIsolateId(): string
}): Meter {
  const { add, nowMs } = options
  let isolateId: string | undefined
  let rows = 0

  return {
    begin(alias, principal, { requestId, stream, endUser, caller }): MeterSpan {
      // Made late: random numbers are not to be had while an isolate starts.
      isolateId ??= options.newIsolateId()
      rows += 1
      const begunAtMs = nowMs()
      const startedAtMs = caller?.arrivedAtMs ?? begunAtMs
      const row: LogRow = {
        id: rowId(startedAtMs, isolateId, rows),
        requestId,
        endpoint: caller?.endpoint,
        client: caller?.client,
        keyId: principal.keyId,
        userId: principal.userId ?? endUser?.slice(0, TEXT_CHARS_MAX),
        model: alias.slice(0, TEXT_CHARS_MAX),
        deploymentId: undefined,
        deploymentModel: undefined,
        status: 200,
        code: 'ok',
        cache: undefined,
        stream,
        promptTokens: undefined,
        cachedTokens: undefined,
        completionTokens: undefined,
        costNano: undefined,
        startedAtMs,
        firstTokenMs: undefined,
        totalMs: 0,
        stages: { received: begunAtMs - startedAtMs },
        calls: NO_CALLS,
      }
      let lastAtMs = begunAtMs
      let ended = false

      function reached(stage: Stage): void {
        const atMs = nowMs()
        row.stages[stage] = (row.stages[stage] ?? 0) + atMs - lastAtMs
        lastAtMs = atMs
      }

      return {
        waits() {},
        did: (step: Step) => reached(step),
        asks(calls) {
          row.calls = calls
        },
        opened({ deployment, cache }) {
          row.deploymentId = deployment.id
          row.deploymentModel = deployment.model
          row.cache = cache.status
        },
        firstToken() {
          if (row.firstTokenMs !== undefined) return
          reached('model')
          row.firstTokenMs = lastAtMs - startedAtMs
        },
        end({ code, usage }, costNano) {
          if (ended) return
          ended = true
          if (row.firstTokenMs !== undefined) reached('answer')
          row.totalMs = nowMs() - startedAtMs
          if (code !== undefined) {
            row.code = code
            row.status = ERRORS[code].status
          }
          row.promptTokens = usage?.prompt_tokens
          row.cachedTokens = usage?.prompt_tokens_details?.cached_tokens
          row.completionTokens = usage?.completion_tokens
          row.costNano = costNano
          add(principal.tenantId, rowText(row))
        },
      }
    },
  }
}
