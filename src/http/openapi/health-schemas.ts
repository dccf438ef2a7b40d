/** What `/admin/health` and `/endpoints/heartbeat` answer, for the document and for tests. Not in the bundle: see schemas.ts. */
import * as z from 'zod/mini'
import { serverLoadSchema } from '../../contract/heartbeat.ts'
import { REGIONS } from '../../contract/regions.ts'

const count = z.int().check(z.nonnegative())
const perSecond = z.number().check(z.nonnegative())

export const deploymentHealthSchema = z.strictObject({
  id: z.string(),
  state: z.enum(['well', 'open', 'trying', 'busy', 'full', 'draining']),
  why: z.string(),
  code: z.nullable(z.string()),
  closed_for_ms: count,
  openings: count,
  in_flight: count,
  in_flight_max: z.nullable(count),
  queue: z.strictObject({ length: count, max: count }),
  latency_ms: z.nullable(count),
  requests_per_second: perSecond,
  failures_per_second: perSecond,
  last_failure: z.nullable(z.strictObject({ code: z.string(), at: z.int() })),
  last_check: z.nullable(z.strictObject({ ok: z.boolean(), code: z.string(), ms: count, at: z.int() })),
  load: z.nullable(serverLoadSchema),
})

export const announcedServerSchema = z.strictObject({
  deployment: z.string(),
  instance: z.string(),
  url: z.string(),
  model: z.string(),
  draining: z.boolean(),
  heard_ago_ms: count,
  load: serverLoadSchema,
})

export const regionHealthSchema = z.strictObject({
  object: z.literal('health'),
  region: z.enum(REGIONS),
  waiting: count,
  deployments: z.array(deploymentHealthSchema),
  servers: z.array(announcedServerSchema),
})

export const heartbeatAnswerSchema = z.strictObject({
  object: z.literal('endpoint.heartbeat'),
  deployment: z.string(),
  next_in_ms: count,
})
