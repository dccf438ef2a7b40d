/** The step between parsing and attempting: what no caller may set is dropped, what every deployment needs is set. */
import type { AttemptCall, ModelRequest } from './ports.ts'

/** Draws a seed where the caller gave none, so that an answer can be continued elsewhere, and says that it did. */
export function prepareRequest(
  request: ModelRequest,
  drawSeed: () => number,
): Omit<AttemptCall, 'requestId' | 'facts'> {
  const given = request.body.seed
  return {
    request: withoutReserved(request),
    seed: given ?? drawSeed(),
    drawnSeed: given === undefined || given === null,
  }
}

/** `perigee` is what the edge says to the inference server: a caller who could set it would continue other people's answers. */
function withoutReserved(request: ModelRequest): ModelRequest {
  if (!('perigee' in request.body)) return request
  if (request.kind === 'chat') {
    const { perigee: _, ...body } = request.body
    return { kind: 'chat', body }
  }
  const { perigee: _, ...body } = request.body
  return { kind: 'text', body }
}
