/** Whether a request's answer may be another's. Ten callers who sample want ten samples; whoever fixed the draw wants the same. */
import type { CacheDirective, ModelRequest } from '../chat/ports.ts'

/** What an installation or a tenant says. `off` is final; `on` is for sampled answers too, unless a request says off. */
export type CachePolicy = CacheDirective['mode']

export function mayShare(request: ModelRequest, policy: CachePolicy, asked: CachePolicy): boolean {
  if (policy === 'off' || asked === 'off') return false
  const { body } = request
  // Calls of tools have effects in the world, and several answers are asked for by those who compare.
  if ((body.n ?? 1) > 1 || isFilled(body.tools) || isFilled(body.functions)) return false
  if (request.kind === 'text' && (request.body.best_of ?? 1) > 1) return false
  return policy === 'on' || asked === 'on' || isSameAgain(request)
}

/** Whether asking again gives the same answer. */
export function isSameAgain({ body }: ModelRequest): boolean {
  return body.temperature === 0 || (body.seed !== undefined && body.seed !== null)
}

function isFilled(list: unknown): boolean {
  return Array.isArray(list) && list.length > 0
}
