/** This isolate's limits: one set of leases behind both ports. Make it once per isolate: what it holds lives in its memory. */
import type { Admission, Principal } from '../chat/ports.ts'
import type { RequestLimits } from '../http/ports.ts'
import { leasedStreams } from './leased-streams.ts'
import { leasedWindows } from './leased-windows.ts'
import { limitPlans } from './limit-plans.ts'
import type { LimitRule } from './limit-rules.ts'
import { modelAdmission } from './model-admission.ts'
import { type RulesOf, requestLimits } from './request-limits.ts'
import type { LimitStore } from './stores.ts'

/** `waitUntil` is the one of `cloudflare:workers`, which finds the request (or object) that it is called in. */
export function isolateLimits(options: {
  store: LimitStore
  /** A tenant's own limits. Synchronous when the isolate remembers them; a failure refuses (design rule: closed). */
  rulesOf: RulesOf
  defaultsOf: (principal: Principal) => readonly LimitRule[]
  waitUntil: (promise: Promise<unknown>) => void
  nowMs?: () => number
  /** The clock's own timers, for who simulates it. */
  sleep?: (ms: number) => Promise<void>
  every?: (intervalMs: number, call: () => void) => () => void
}): { requests: RequestLimits; admission: Admission } {
  const { store, rulesOf, defaultsOf, waitUntil, nowMs = Date.now, sleep = slept, every = interval } = options
  const plans = limitPlans(defaultsOf)
  const windows = leasedWindows({ store, nowMs, sleep, waitUntil })
  const streams = leasedStreams({ store, nowMs, sleep, waitUntil, every, newHolderId: () => crypto.randomUUID() })
  return {
    requests: requestLimits({ windows, plans, rulesOf, nowMs }),
    admission: modelAdmission({ windows, streams, plans, rulesOf, nowMs }),
  }
}

function slept(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function interval(intervalMs: number, call: () => void): () => void {
  const timer = setInterval(call, intervalMs)
  return () => clearInterval(timer)
}
