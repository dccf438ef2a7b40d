/**
 * How an inference server tells the edge where it is and how much of it is taken: `POST /endpoints/heartbeat`, every 5 s, signed. One
 * that stops says so (`draining`); one that is not heard of for three is taken for gone.
 */
import * as z from 'zod/mini'
import { MODEL_CHARS_MAX } from './chat-completion.ts'
import { deploymentIdSchema } from './routing-config.ts'

const count = z.int().check(z.nonnegative(), z.maximum(1_000_000))
const bytes = z.int().check(z.nonnegative())
const share = z.number().check(z.minimum(0), z.maximum(1))

/** What an autoscaler looks at. Shares are from 0 to 1. */
export const serverLoadSchema = z.strictObject({
  /** Requests that can run at once, those that do, those that wait. */
  slots: count,
  running: count,
  waiting: count,
  requests_per_second: z.number().check(z.nonnegative(), z.maximum(1_000_000)),
  /** Of all cores of its machine, since its last heartbeat. Memory is that of its machine or container. */
  cpu: share,
  memory_used_bytes: bytes,
  memory_total_bytes: bytes,
  /** Empty where there is none, or nobody can say. */
  gpus: z
    .array(z.strictObject({ utilization: share, memory_used_bytes: bytes, memory_total_bytes: bytes }))
    .check(z.maxLength(64)),
})
export type ServerLoad = z.infer<typeof serverLoadSchema>

export const heartbeatSchema = z.strictObject({
  /** The deployment of the configuration that it is. */
  deployment: deploymentIdSchema,
  /** Made anew by each process. */
  instance: z
    .string()
    .check(z.regex(/^[A-Za-z0-9_-]{8,64}$/, 'must be 8 to 64 letters, digits, dashes and underscores')),
  /** Where the edge reaches it, without `/v1`. */
  url: z
    .url({ protocol: /^https?$/ })
    .check(z.maxLength(2_048), z.regex(/^[^@?#]*$/, 'must have no user, query or fragment')),
  model: z.string().check(z.minLength(1), z.maxLength(MODEL_CHARS_MAX)),
  /** It takes no more requests. */
  draining: z.boolean(),
  load: serverLoadSchema,
})
export type Heartbeat = z.infer<typeof heartbeatSchema>
