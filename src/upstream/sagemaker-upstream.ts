/**
 * The adapter for SageMaker's real-time endpoints, whose containers take chat completions at /invocations and stream, as our inference
 * server and vLLM do. SageMaker passes the container's bytes on in parts that end anywhere. docs/decisions/0011-clients-of-others.md says what
 * of AWS's client is used, and why nothing is asked without a stream.
 */
import type { ResponseStream } from '@aws-sdk/client-sagemaker-runtime'
import type { Upstream } from '../chat/ports.ts'
import { AppError } from '../errors.ts'
import type { ByteReader } from './byte-reader.ts'
import { openCall } from './open-call.ts'
import { sagemakerError, streamFailure } from './sagemaker-error.ts'
import { type RuntimeOptions, sagemakerRuntime } from './sagemaker-runtime.ts'
import { inferenceBody, plainBody } from './wire-body.ts'

type Options = RuntimeOptions & {
  /** The endpoint's name. */
  endpoint: string
  /** Of an endpoint that has several: which of them. */
  inferenceComponent?: string | undefined
  /** The deployment declares `token_ids`: the container is our inference server. */
  tokenIds?: boolean
}

/** What SageMaker takes as an inference's id, which it shows in its logs of captured data. */
const INFERENCE_ID_CHARS_MAX = 64

/** Every rejection of `open` is an AppError. */
export function sagemakerUpstream(options: Options): Upstream {
  const runtime = sagemakerRuntime(options)
  const bodyOf = options.tokenIds === true ? inferenceBody : plainBody
  const utf8 = new TextEncoder()

  return {
    open: (call, signal) =>
      openCall(call, signal, {
        // SageMaker answers when the container has, and many send nothing before the first token; how long connecting took cannot be seen.
        answersWithinMs: call.timeouts.firstToken,
        async ask(connection, answered) {
          const output = await runtime
            .stream(
              {
                EndpointName: options.endpoint,
                InferenceComponentName: options.inferenceComponent,
                ContentType: 'application/json',
                Accept: 'text/event-stream',
                Body: utf8.encode(JSON.stringify(bodyOf(call))),
                InferenceId: call.requestId.length <= INFERENCE_ID_CHARS_MAX ? call.requestId : undefined,
                // SageMaker finds the prefix itself, where the endpoint routes by it; this keeps tenants' caches apart.
                PrefixAwareId: call.tenantId,
              },
              connection,
            )
            .catch((thrown: unknown) => {
              answered()
              throw sagemakerError(thrown) ?? thrown
            })
          answered()
          if (!output.Body || !output.ContentType?.startsWith('text/event-stream')) {
            const cause = new Error(`Expected an event stream, got ${output.ContentType}.`)
            throw new AppError('upstream_misconfigured', 'The model is set up wrongly on our side.', { cause })
          }
          return { bytes: partReader(output.Body), gathering: undefined }
        },
      }),
  }
}

/** The container's bytes again. Events that AWS may add one day are passed over. */
function partReader(stream: AsyncIterable<ResponseStream>): ByteReader {
  const parts = stream[Symbol.asyncIterator]()
  return {
    async read() {
      for (;;) {
        const { value, done } = await parts.next().catch((thrown: unknown) => {
          throw streamFailure(thrown)
        })
        if (done) return undefined
        const bytes = value.PayloadPart?.Bytes
        if (bytes !== undefined && bytes.byteLength > 0) return bytes
      }
    },
  }
}
