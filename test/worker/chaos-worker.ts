/** Two deployments behind each alias, of which the first misbehaves: what test/e2e/chaos.test.ts runs. */
import type { Deployment } from '../../src/chat/ports.ts'
import { CONTINUATIONS } from '../../src/contract/continuation.ts'
import { openaiUpstream } from '../../src/upstream/openai-upstream.ts'
import { deploymentOf, routeOf } from '../support/routes.ts'
import { bareEdge, platformFetch } from './bare-edge.ts'

type Variables = { FAULTY_URL: string; HEALTHY_URL: string; CLOSED_URL: string }

/** Short, so that a hundred cells that wait for one are done in seconds. */
const TIMEOUTS = {
  connect: 1_000,
  firstToken: 1_000,
  firstTokenWhileWaiting: 1_500,
  betweenTokens: 1_000,
  total: 20_000,
}

function at(id: string, baseUrl: string, given: Partial<Deployment>): Deployment {
  const tokenIds = given.continuation?.includes('token_ids') === true
  const upstream = openaiUpstream({ baseUrl, tokenIds, fetch: platformFetch })
  return deploymentOf({ id, model: 'model', timeouts: TIMEOUTS, contextTokens: 4_096, upstream, ...given })
}

export default bareEdge(({ FAULTY_URL, HEALTHY_URL, CLOSED_URL }: Variables) => [
  routeOf([at('faulty', FAULTY_URL, { continuation: ['token_ids'] })], { alias: 'alone' }),
  ...CONTINUATIONS.flatMap((by) => {
    const healthy = at('healthy', HEALTHY_URL, {
      ...{ continuation: [by], contextTokens: 32_768 },
      // Both endpoints live in the test's process: one that is busy with the faults of the other is not to be taken for dead.
      timeouts: { ...TIMEOUTS, connect: 8_000, firstToken: 8_000, firstTokenWhileWaiting: 8_000, betweenTokens: 8_000 },
    })
    return [
      routeOf([at('faulty', FAULTY_URL, { continuation: [by] }), healthy], { alias: by }),
      routeOf([at('closed', CLOSED_URL, { continuation: [by] }), healthy], { alias: `closed-${by}` }),
    ]
  }),
])
