/** The adapter for endpoints that speak OpenAI's protocol: OpenAI itself, vLLM, SGLang, llama.cpp, TGI. */
import type { Upstream } from '../chat/ports.ts'
import type { Quirk } from '../contract/provider-presets.ts'
import { type HttpEndpoint, httpUpstream } from './http-upstream.ts'
import { withQuirks } from './quirks.ts'
import { inferenceBody, plainBody } from './wire-body.ts'

type Options = HttpEndpoint & {
  /**
   * The deployment declares `token_ids`: behind the address is our inference server, though somebody else's proxy stands before it.
   * Any other server must not be told so. It may pass over `perigee.continue`, as vLLM does with what it does not know, and say again
   * what was said.
   */
  tokenIds?: boolean
  /** Absent: as UNLESS_TOLD. */
  quirks?: readonly Quirk[] | undefined
}

/** Of OpenAI's protocol these are no part, and many servers refuse a message that has them; /v1/messages keeps them for those that know them. */
const UNLESS_TOLD: readonly Quirk[] = ['no_message_extras']

/** Every rejection of `open` is an AppError. */
export function openaiUpstream(options: Options): Upstream {
  return httpUpstream(options, {
    body: withQuirks(options.tokenIds === true ? inferenceBody : plainBody, options.quirks ?? UNLESS_TOLD),
    // Read as it comes: of an endpoint that keeps the connection open after its answer, the end of a larger piece would come late.
    gathering: () => undefined,
  })
}
