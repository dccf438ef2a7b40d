/**
 * The adapter for our inference server. Over OpenAI's protocol it can do what src/contract/inference-wire.ts says: give the ids of what
 * it generates, go on from them, and send callers who do not stream some events a second instead of one a token. A LoRA adapter is a
 * model's name to it. Closing the connection stops it.
 */
import type { Upstream } from '../chat/ports.ts'
import { GATHER_STREAM, GATHER_WHOLE } from './byte-reader.ts'
import { type HttpEndpoint, httpUpstream } from './http-upstream.ts'
import { inferenceBody } from './wire-body.ts'

/** Every rejection of `open` is an AppError. */
export function inferenceUpstream(endpoint: HttpEndpoint): Upstream {
  return httpUpstream(endpoint, {
    body: inferenceBody,
    // It ends its response when it ends its answer, so a fast one may be read in larger pieces.
    gathering: (call) => (call.request.body.stream === true ? GATHER_STREAM : GATHER_WHOLE),
  })
}
