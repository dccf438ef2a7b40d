/** Two of our inference servers behind one alias, and the second alone: what test/support/failover-world.ts runs. */
import { inferenceUpstream } from '../../src/upstream/inference-upstream.ts'
import { deploymentOf, routeOf } from '../support/routes.ts'
import { bareEdge, platformFetch } from './bare-edge.ts'

type Variables = { FIRST_URL: string; SECOND_URL: string; MODEL: string }

/** As configured by default, but for a machine that is busy with the test: nobody is to be taken for dead who is slow. */
const TIMEOUTS = {
  ...{ connect: 10_000, firstToken: 60_000, firstTokenWhileWaiting: 60_000 },
  ...{ betweenTokens: 60_000, total: 300_000 },
}

export default bareEdge(({ FIRST_URL, SECOND_URL, MODEL }: Variables) => {
  const [first, second] = [FIRST_URL, SECOND_URL].map((baseUrl, index) =>
    deploymentOf({
      ...{ id: index === 0 ? 'first' : 'second', adapter: 'inference', model: MODEL, timeouts: TIMEOUTS },
      continuation: ['token_ids'],
      upstream: inferenceUpstream({ baseUrl, fetch: platformFetch }),
    }),
  )
  if (!first || !second) throw new Error('Two addresses are needed.')
  return [routeOf([first, second], { alias: 'pair' }), routeOf([second], { alias: 'second' })]
})
