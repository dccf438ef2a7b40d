/**
 * AWS's own client for SageMaker's runtime, with what it may not do taken away: it tries once, for retries are routing's, follows no
 * redirect, and looks for no credentials by itself.
 */
import type {
  InvokeEndpointWithResponseStreamCommandInput,
  InvokeEndpointWithResponseStreamCommandOutput,
  SageMakerRuntimeClient,
} from '@aws-sdk/client-sagemaker-runtime'
import type { AwsCredentials, AwsIdentity } from './aws-credentials.ts'
import { withBoundedFrames } from './bounded-frames.ts'

export type SagemakerRuntime = {
  /** Resolves when the endpoint has begun to answer. Rejects with what AWS's client throws, or an AppError of the credentials. */
  stream(
    input: InvokeEndpointWithResponseStreamCommandInput,
    signal: AbortSignal,
  ): Promise<InvokeEndpointWithResponseStreamCommandOutput>
}

export type RuntimeOptions = {
  /** As `eu-west-1`. */
  region: string
  /** Of the runtime where that is not AWS's public one: an interface endpoint of a VPC. */
  url?: string | undefined
  credentials: AwsCredentials
  fetch: typeof fetch
}

export function sagemakerRuntime(options: RuntimeOptions): SagemakerRuntime {
  let client: SageMakerRuntimeClient | undefined
  let madeFor: AwsIdentity | undefined

  return {
    async stream(input, signal) {
      // Asked here and handed over as a value: a client that fetched them would let requests wait for what another request fetches, and
      // on Workers that one's end takes its fetch with it.
      const identity = await options.credentials()
      // Imported with the first call: an isolate that asks no SageMaker endpoint does not run it. Remembered by the platform.
      const sdk = await import('@aws-sdk/client-sagemaker-runtime')
      if (client === undefined || madeFor !== identity) {
        const { accessKeyId, secretAccessKey, sessionToken } = identity
        client = new sdk.SageMakerRuntimeClient({
          region: options.region,
          ...(options.url === undefined ? {} : { endpoint: options.url }),
          credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
          maxAttempts: 1,
          requestHandler: {
            customFetch: async (...call: Parameters<typeof fetch>) => withBoundedFrames(await options.fetch(...call)),
            requestInit: () => ({ redirect: 'manual' }),
          },
        })
        madeFor = identity
      }
      return client.send(new sdk.InvokeEndpointWithResponseStreamCommand(input), { abortSignal: signal })
    },
  }
}
