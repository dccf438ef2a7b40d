/**
 * The body of a call: the caller's, always as a stream with usage, so that time-outs, billing and continuation have one shape here.
 * What only our inference server knows goes to it alone: OpenAI refuses fields that it does not know.
 */
import type { UpstreamCall } from '../chat/ports.ts'
import type { PerigeeRequest } from '../contract/inference-wire.ts'

/** Four events a second: nobody waits longer for the end, and a server that dies has sent all but the last quarter of a second. */
const GATHER_MS = 250

export type WireBody = (call: UpstreamCall) => object

/**
 * For any endpoint. A seed that the edge drew is not sent: it serves to continue an answer by its tokens, which these cannot, while
 * vLLM samples a seeded request by itself and some endpoints refuse the field.
 */
export const plainBody: WireBody = (call) => ({
  ...call.request.body,
  model: call.model,
  ...(call.drawnSeed ? {} : { seed: call.seed }),
  stream: true,
  stream_options: { ...call.request.body.stream_options, include_usage: true },
})

/** For our inference server, wherever it runs. */
export const inferenceBody: WireBody = (call) => {
  const reserved: PerigeeRequest = {
    ...(call.drawnSeed ? { drawn_seed: true } : {}),
    ...(call.request.body.stream === true ? {} : { gather_ms: GATHER_MS }),
    ...(call.continueFrom ? { continue: call.continueFrom } : {}),
  }
  return {
    ...plainBody(call),
    seed: call.seed,
    return_token_ids: true,
    perigee: Object.keys(reserved).length > 0 ? reserved : undefined,
  }
}
