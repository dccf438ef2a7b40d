/**
 * Hands an isolate's rows to the tenant's RequestLog object, off the path of requests: those of a tenth of a second in one call. A row is
 * kept until the object has it; one that is told twice is one row in D1, by its id.
 */

/** Makes the call in the context of the present request: stubs may not be shared between requests. Resolves when the rows are stored. */
export type AppendRows = (tenantId: string, rows: string, count: number) => Promise<void>

/** So much is lost at most when a process is killed. */
export const GATHER_MS = 100
/** Between a call that failed and the next. */
const RETRY_MS = 1_000
/** A request's context may end with its call in it. After so long the next request takes over. */
const ABANDONED_AFTER_MS = 10_000
const ROWS_PER_CALL = 500
/** Of a tenant, while the object does not answer: some megabytes. */
const ROWS_KEPT_MAX = 5_000
/** Tenants whose last call an isolate remembers. */
const TENANTS_MAX = 1_000
/** Tries of one context; the next request goes on. */
const TRIES = 5

type Queue = { rows: string[]; sender: number; sentAtMs: number; aliveAtMs: number | undefined; lost: number }

export type LogOutbox = { add(tenantId: string, row: string): void }

export function logOutbox(options: {
  append: AppendRows
  waitUntil(promise: Promise<unknown>): void
  nowMs(): number
  sleep(ms: number): Promise<void>
}): LogOutbox {
  const { append, waitUntil, nowMs, sleep } = options
  const queues = new Map<string, Queue>()

  function add(tenantId: string, row: string): void {
    let queue = queues.get(tenantId)
    if (!queue) {
      queue = { rows: [], sender: 0, sentAtMs: Number.NEGATIVE_INFINITY, aliveAtMs: undefined, lost: 0 }
      queues.set(tenantId, queue)
    }
    if (queue.rows.length >= ROWS_KEPT_MAX) {
      queue.lost += 1
      return
    }
    queue.rows.push(row)
    if (queue.aliveAtMs !== undefined && nowMs() - queue.aliveAtMs < ABANDONED_AFTER_MS) return
    queue.aliveAtMs = nowMs()
    queue.sender += 1
    waitUntil(send(tenantId, queue, queue.sender))
  }

  async function send(tenantId: string, queue: Queue, sender: number): Promise<void> {
    for (let failures = 0; failures < TRIES; ) {
      queue.aliveAtMs = nowMs()
      const pauseMs = failures > 0 ? RETRY_MS : queue.sentAtMs + GATHER_MS - nowMs()
      if (pauseMs > 0) await sleep(pauseMs)
      if (queue.sender !== sender) return
      const rows = queue.rows.slice(0, ROWS_PER_CALL)
      try {
        queue.sentAtMs = nowMs()
        await append(tenantId, rows.join(','), rows.length)
        failures = 0
      } catch (cause) {
        failures += 1
        console.warn(JSON.stringify({ level: 'warn', event: 'request_log_failed', cause: String(cause) }))
        continue
      }
      // Who took over tells them again, and counts them off.
      if (queue.sender !== sender) return
      queue.rows.splice(0, rows.length)
      tellLost(queue)
      if (queue.rows.length > 0) continue
      queue.aliveAtMs = undefined
      if (queues.size > TENANTS_MAX) queues.delete(tenantId)
      return
    }
    if (queue.sender === sender) queue.aliveAtMs = undefined
  }

  return { add }
}

function tellLost(queue: Queue): void {
  if (queue.lost === 0) return
  console.error(JSON.stringify({ level: 'error', event: 'request_log_lost', rows: queue.lost }))
  queue.lost = 0
}
