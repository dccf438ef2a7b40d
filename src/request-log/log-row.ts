/** One completion in the log of requests, as isolates tell it, as objects keep it, and as it stands in D1. Never what was said. */
import type { AttemptRecord, CacheNote, Step } from '../chat/ports.ts'
import type { ErrorCode } from '../errors.ts'

export type LogRow = {
  /** Sorts by time: see `rowId`. */
  id: string
  requestId: string
  endpoint: string | undefined
  client: string | undefined
  keyId: string
  userId: string | undefined
  /** The alias as the caller wrote it. */
  model: string
  deploymentId: string | undefined
  deploymentModel: string | undefined
  /** What the caller would have got as a status; of a stream that broke, too. */
  status: number
  code: ErrorCode | 'ok'
  cache: CacheNote['status'] | undefined
  stream: boolean
  /** Undefined where the model did not tell. */
  promptTokens: number | undefined
  cachedTokens: number | undefined
  completionTokens: number | undefined
  /** Nano-units of currency; undefined where nothing was charged. */
  costNano: number | undefined
  /** Milliseconds since 1970. */
  startedAtMs: number
  /** From the start. */
  firstTokenMs: number | undefined
  totalMs: number
  /** Milliseconds of each step that was reached. */
  stages: Partial<Record<Stage, number>>
  calls: readonly AttemptRecord[]
}

/** `received`: key, limits, body. `model`: until its first event. `answer`: from there to the end. */
export type Stage = 'received' | Step | 'model' | 'answer'

/** The columns of `request_log` after the tenant, in the order of a row's fields. `attempts` and `continued` are reckoned from the calls. */
export const COLUMNS = [
  ...['id', 'request_id', 'endpoint', 'client', 'key_id', 'user_id', 'model', 'deployment_id', 'deployment_model'],
  ...['status', 'code', 'cache', 'stream', 'prompt_tokens', 'cached_tokens', 'completion_tokens', 'cost_nano'],
  ...['started_at_ms', 'first_token_ms', 'total_ms', 'attempts', 'continued', 'stages', 'calls'],
] as const

/** A JSON list, without what is undefined. */
export function rowText(row: LogRow): string {
  const { calls } = row
  return JSON.stringify([
    ...[row.id, row.requestId, row.endpoint, row.client, row.keyId, row.userId, row.model],
    ...[row.deploymentId, row.deploymentModel, row.status, row.code, row.cache, row.stream ? 1 : 0],
    ...[row.promptTokens, row.cachedTokens, row.completionTokens, row.costNano],
    ...[row.startedAtMs, row.firstTokenMs, row.totalMs, calls.length],
    ...[calls.some(({ kind }) => kind === 'continuation') ? 1 : 0, row.stages, calls],
  ])
}

const MS_DIGITS = 9

/** Fits every time up to the year 5188 with the same length, so that ids are in the order of time. */
export function idPrefix(atMs: number): string {
  return Math.max(0, Math.floor(atMs)).toString(36).padStart(MS_DIGITS, '0')
}

/** Unique as long as `isolateId` is (of a fixed length) and `number` is not used twice in it. */
export function rowId(atMs: number, isolateId: string, number: number): string {
  return `${idPrefix(atMs)}${isolateId}${number.toString(36)}`
}
