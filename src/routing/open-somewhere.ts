/**
 * One call after the other until a deployment has begun to answer, or the request has nobody left to ask. The only place that tries
 * again, waits, and takes places; for a first answer and for a continuation alike. Knows nothing of protocols.
 */
import type { AttemptRecord, CallInFlight, Deployment, Health, ModelEventStream, UpstreamCall } from '../chat/ports.ts'
import type { Continuation } from '../contract/continuation.ts'
import { AppError, toAppError } from '../errors.ts'
import { anotherTry } from './another-try.ts'
import type { CallLedger } from './call-ledger.ts'
import { type CallRecord, callRecord } from './call-record.ts'

/** What to ask of a deployment, which gives the model's name and the time-outs itself. */
export type Way = { by?: Continuation; call: Omit<UpstreamCall, 'model' | 'timeouts'> }

export type Opened = { deployment: Deployment; way: Way; events: ModelEventStream; record: CallRecord }

/** What all calls of one request share. */
export type RequestCalls = {
  tenantId: string
  health: Health
  ledger: CallLedger
  attempts: AttemptRecord[]
  /** When the first of them began: the total time-out counts from there, so that a caller waits once, not once per deployment. */
  startedAtMs: number
  now: () => number
  /** Resolves after so many milliseconds, or when the signal is aborted. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
  ended: (record: AttemptRecord) => void
  signal: AbortSignal
}

export type Ask = {
  /** The best first. */
  candidates: readonly Deployment[]
  kind: 'first' | 'continuation'
  /** The best first. One that a deployment refuses is not asked of it again. Empty: it cannot serve. */
  waysOf: (deployment: Deployment) => readonly Way[]
  /** How long pauses, Retry-After and queues may keep the caller waiting, all of them together. Calls have time-outs of their own. */
  patienceMs: number
}

/** Rejects with the AppError that says most. */
export async function openSomewhere(request: RequestCalls, ask: Ask): Promise<Opened> {
  const { ledger, now, signal } = request
  const patientUntilMs = now() + ask.patienceMs
  const waysLeft = new Map<string, Way[]>()

  function nextWay(deployment: Deployment): Way | undefined {
    let ways = waysLeft.get(deployment.id)
    if (ways === undefined) {
      ways = [...ask.waysOf(deployment)]
      waysLeft.set(deployment.id, ways)
    }
    return ways[0]
  }

  const msLeft = (deployment: Deployment) => request.startedAtMs + deployment.timeouts.total - now()

  for (;;) {
    if (signal.aborted) throw callerGone()
    const usable = ledger
      .usable(ask.candidates)
      // One that may be asked only when the time is over cannot serve.
      .filter(
        (candidate) => msLeft(candidate) > Math.max(ledger.notBeforeMs(candidate) - now(), 0) && nextWay(candidate),
      )
    if (usable.length === 0) throw ledger.verdict()
    const found = await findPlace(request, usable, patientUntilMs)
    if (found === undefined) continue
    const { deployment, place } = found
    const way = nextWay(deployment)
    const kind = ask.kind === 'first' && ledger.calls() > 0 ? 'retry' : ask.kind
    ledger.called(deployment)
    const { attempts, ended } = request
    const record = callRecord({ deployment, place, kind, by: way?.by, attempts, now, ended })
    try {
      if (way === undefined) throw new AppError('internal_error', 'A place of a deployment that was not asked for.')
      const { model, timeouts, upstream } = deployment
      const total = Math.max(msLeft(deployment), 1)
      const events = await upstream.open({ ...way.call, model, timeouts: { ...timeouts, total } }, signal)
      record.answered()
      return { deployment, way, events, record }
    } catch (thrown) {
      const error = toAppError(thrown)
      record.end(error)
      if (error.code === 'caller_gone') throw error
      const isRefused = anotherTry(error.code) === undefined || error.code === 'context_length_exceeded'
      if (ask.kind === 'continuation' && isRefused) waysLeft.get(deployment.id)?.shift()
      else if (anotherTry(error.code) === undefined) throw error
      else ledger.failed(deployment, error)
    }
  }
}

/** Undefined: look again, for some time has passed. */
async function findPlace(
  { health, ledger, now, sleep, signal, tenantId }: RequestCalls,
  usable: readonly Deployment[],
  patientUntilMs: number,
): Promise<{ deployment: Deployment; place: CallInFlight } | undefined> {
  const ready: Deployment[] = []
  let nextAtMs = Number.POSITIVE_INFINITY
  for (const deployment of usable) {
    const notBeforeMs = ledger.notBeforeMs(deployment)
    if (notBeforeMs > now()) {
      nextAtMs = Math.min(nextAtMs, notBeforeMs)
      continue
    }
    const place = health.enter(deployment)
    if (place) return { deployment, place }
    ready.push(deployment)
  }
  if (ready.length > 0) {
    try {
      const deadlineMs = Math.min(nextAtMs, patientUntilMs)
      const { deployment, call } = await health.wait(ready, { tenantId, deadlineMs }, signal)
      return { deployment, place: call }
    } catch (thrown) {
      if (signal.aborted) throw callerGone()
      ledger.foundNoPlace(toAppError(thrown))
    }
  }
  // Nobody waits for what comes too late: the caller is told when instead.
  if (nextAtMs > patientUntilMs) throw ledger.verdict()
  await sleep(nextAtMs - now(), signal)
  return undefined
}

function callerGone(): AppError {
  return new AppError('caller_gone', 'The caller hung up.')
}
