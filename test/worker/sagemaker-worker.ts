/** The SageMaker adapter alone in a Worker: what test/e2e/sagemaker.test.ts runs. Answers a call with its events, a line each, as they come. */
import type { UpstreamCall } from '../../src/chat/ports.ts'
import { toAppError } from '../../src/errors.ts'
import { staticCredentials } from '../../src/upstream/aws-credentials.ts'
import { sagemakerUpstream } from '../../src/upstream/sagemaker-upstream.ts'

type Variables = { SAGEMAKER_URL: string; SAGEMAKER_REGION: string; UPSTREAM_AWS: string }

let upstream: ReturnType<typeof sagemakerUpstream> | undefined

export default {
  async fetch(request: Request, { SAGEMAKER_URL: url, SAGEMAKER_REGION: region, UPSTREAM_AWS }: Variables) {
    upstream ??= sagemakerUpstream({
      ...{ region, url, endpoint: 'chat-1', tokenIds: true, credentials: staticCredentials(() => UPSTREAM_AWS, 'all') },
      fetch: (...call: Parameters<typeof fetch>) => fetch(...call),
    })
    const call = await request.json<UpstreamCall>()
    try {
      const events = (await upstream.open(call, request.signal))[Symbol.asyncIterator]()
      const lines = new ReadableStream({
        async pull(controller) {
          const { value, done } = await events.next()
          if (done) controller.close()
          else controller.enqueue(new TextEncoder().encode(value.map((event) => `${JSON.stringify(event)}\n`).join('')))
        },
        async cancel() {
          await events.return?.()
        },
      })
      return new Response(lines)
    } catch (thrown) {
      return Response.json(toAppError(thrown).toValue(), { status: 502 })
    }
  },
}
