/** The adapter for Anthropic's Messages. Its converters are loaded with the first call: an isolate that asks no Anthropic does not run them. */
import type { Upstream } from '../../chat/ports.ts'
import type { HttpEndpoint } from '../http-upstream.ts'

/** Every rejection of `open` is an AppError. */
export function anthropicUpstream(endpoint: HttpEndpoint): Upstream {
  let made: Upstream | undefined
  return {
    async open(call, signal) {
      if (made === undefined) {
        const { messagesUpstream } = await import('./messages-upstream.ts')
        made = messagesUpstream({ ...endpoint, auth: endpoint.auth ?? 'x-api-key' })
      }
      return made.open(call, signal)
    },
  }
}
