/** The same request for one answer: each choice that is left is taken up by a call of its own. */
import type { ModelRequest } from '../../chat/ports.ts'

export function oneChoice(request: ModelRequest): ModelRequest {
  if ((request.body.n ?? 1) === 1) return request
  if (request.kind === 'chat') return { kind: 'chat', body: { ...request.body, n: 1 } }
  return { kind: 'text', body: { ...request.body, n: 1 } }
}
