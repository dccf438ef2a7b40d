/** The log of requests, beside the metrics. */
import { waitUntil } from 'cloudflare:workers'
import { bothMeters } from '../chat/both-meters.ts'
import type { Meter } from '../chat/ports.ts'
import { logMeter } from '../request-log/log-meter.ts'
import { logOutbox } from '../request-log/log-outbox.ts'
import type { Isolate } from './isolate.ts'

const ISOLATE_ID_CHARS = 8

export function wireRequestLog({ env, config, nowMs }: Isolate, metrics: Meter): Meter {
  if (config.PERIGEE_REQUEST_LOG_DAYS === 0) return metrics
  const outbox = logOutbox({
    append: async (tenantId, rows, count) => env.REQUEST_LOG.getByName(tenantId).append(tenantId, rows, count),
    waitUntil,
    nowMs,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  })
  const log = logMeter({
    add: outbox.add,
    nowMs,
    newIsolateId: () => crypto.randomUUID().slice(0, ISOLATE_ID_CHARS),
  })
  return bothMeters(metrics, log)
}
