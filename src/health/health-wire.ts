/**
 * What isolates and the Health object of their region say to each other. Spans of time and never times: two clocks differ. By RPC, so
 * plain data; both are of the same release but for the minutes of a deployment.
 */
import type { ErrorCode } from '../errors.ts'

/** Where a deployment is asked whether it is well, by GET. */
export type Check = { url: string; intervalMs: number }

/** What the object must know of a deployment: it reads no configuration, so that it is right for every version of it at once. */
export type Described = {
  inFlightMax: number | undefined
  queue: { length: number; waitMs: number }
  check: Check | undefined
  /** Its URL comes by heartbeat: without one it cannot be called. */
  isAnnounced: boolean
}

/** Of one deployment, since the isolate's last report. */
export type News = {
  described: Described
  /** At this moment. */
  inFlight: number
  started: number
  /** First events. */
  began: number
  ok: number
  failed: number
  /** Ended in any way, and how long they took together. */
  ended: number
  endedMs: number
  /** Mean time to the first event of those that began. */
  firstEventMs: number
  lastFailure?: { code: ErrorCode; agoMs: number }
  /** Calls of this isolate opened its breaker; `isNew`: since the last report. */
  open?: { forMs: number; code: string; isNew: boolean }
  /** A try of this isolate has begun to answer. */
  recovered: boolean
  /** A try that was this isolate's ended and told nothing. */
  gaveUp: boolean
  /** It said to come again in so long. */
  busyForMs?: number
  /** Somebody here would call it if it were not open. */
  wanted: boolean
  /** Of the places that this isolate has been given from the queue, how many it has taken up. */
  placesTaken: number
}

export type HealthReport = { isolateId: string; news: Record<string, News> }

/** What all know of one deployment together. */
export type Shared = {
  /** Absent: closed. */
  open?: { forMs: number; code: string }
  /** This isolate may let one call try. */
  mayTry: boolean
  busyForMs: number
  /** Calls of the other isolates. */
  othersInFlight: number
  queued: number
  latencyMs: number | undefined
  draining: boolean
}

/** Where servers that announce themselves are, by the deployment they are for. */
export type Endpoints = Record<string, { url: string; draining: boolean }>

/** `endpoints`: undefined when the object has not heard of them, which says nothing. */
export type HealthAnswer = { nextInMs: number; shared: Record<string, Shared>; endpoints: Endpoints | undefined }

export type WaitAsk = {
  waiterId: string
  report: HealthReport
  deploymentIds: readonly string[]
  tenantId: string
  /** So long at most. */
  forMs: number
}

export type WaitAnswer =
  | { kind: 'place'; deploymentId: string; isTry: boolean }
  /** It cannot be served in time; then perhaps. */
  | { kind: 'refused'; retryAfterSeconds: number }

/** What the Health object offers; its stub fits. */
export type HealthObject = {
  exchange(report: HealthReport): Promise<HealthAnswer>
  wait(ask: WaitAsk): Promise<WaitAnswer>
  /** Who waited is gone; a place that was on its way to him is free again. */
  leave(waiterId: string): Promise<void>
}
