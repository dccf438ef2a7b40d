/** One call of one deployment, told to its health and to the request's list: that it began to answer, and once how it ended. */
import type { AttemptRecord, CallInFlight, Deployment } from '../chat/ports.ts'
import type { ErrorCode } from '../errors.ts'

export type CallRecord = {
  answered(): void
  /** Once; later calls do nothing. */
  end(failure?: { code: ErrorCode; retryAfterSeconds?: number | undefined }): void
}

export type CallRecording = {
  deployment: Deployment
  place: CallInFlight
  kind: AttemptRecord['kind']
  by?: AttemptRecord['by'] | undefined
  /** Grows by this call. */
  attempts: AttemptRecord[]
  now: () => number
  /** Told of every call that has ended. */
  ended: (record: AttemptRecord) => void
}

export function callRecord({ deployment, place, kind, by, attempts, now, ended }: CallRecording): CallRecord {
  const startedAtMs = now()
  const record: AttemptRecord = {
    deploymentId: deployment.id,
    model: deployment.model,
    kind,
    startedAtMs,
    ...(by ? { by } : {}),
  }
  attempts.push(record)
  return {
    answered() {
      record.firstTokenMs = now() - startedAtMs
      place.firstEvent()
    },
    end(failure) {
      if (record.ms !== undefined) return
      record.ms = now() - startedAtMs
      if (failure) record.code = failure.code
      place.end(
        failure && {
          code: failure.code,
          ...(failure.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: failure.retryAfterSeconds }),
        },
      )
      ended(record)
    },
  }
}
