/** `POST /endpoints/heartbeat`: an inference server says where it is and how much of it is taken. Signed, so it needs no key. */
import { heartbeatSchema } from '../../contract/heartbeat.ts'
import {
  HEARTBEAT_EVERY_MS,
  HEARTBEAT_PATH,
  HEARTBEAT_SIGNATURE_HEADER,
  HEARTBEAT_TIME_HEADER,
} from '../../contract/heartbeat-terms.ts'
import { AppError } from '../../errors.ts'
import { invalidRequest } from '../invalid-request.ts'
import { readText } from '../read-text.ts'
import type { Route } from '../route.ts'

export const endpointHeartbeat: Route = {
  method: 'POST',
  path: HEARTBEAT_PATH,
  errors: 'problem',
  access: 'open',
  body: 'small',
  async handle(context) {
    const { heartbeats } = context.get('ports')
    const text = await readText(context)
    const sentAtMs = heartbeats.verify({
      time: context.req.header(HEARTBEAT_TIME_HEADER),
      signature: context.req.header(HEARTBEAT_SIGNATURE_HEADER),
      text,
    })
    let body: unknown
    try {
      body = JSON.parse(text)
    } catch {
      throw new AppError('invalid_json', 'The body is not valid JSON.')
    }
    const parsed = heartbeatSchema.safeParse(body)
    if (!parsed.success) throw invalidRequest(parsed.error.issues, body)
    await heartbeats.announce(parsed.data, sentAtMs)
    return context.json({
      object: 'endpoint.heartbeat',
      deployment: parsed.data.deployment,
      next_in_ms: HEARTBEAT_EVERY_MS,
    })
  },
}
