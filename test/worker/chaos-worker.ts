/** The edge's routes, sequence and loop over deployments with two of them behind each alias: what test/e2e/chaos.test.ts runs. */

import { noBudgets } from '../../src/budgets/no-budgets.ts'
import { noCache } from '../../src/cache/no-cache.ts'
import type { AttemptRecord, Deployment, Meter, Route } from '../../src/chat/ports.ts'
import type { Usage } from '../../src/contract/chat-completion.ts'
import { CONTINUATIONS } from '../../src/contract/continuation.ts'
import { noFilters } from '../../src/filter/no-filters.ts'
import type { HttpPorts } from '../../src/http/ports.ts'
import { noLimits, noRequestLimits } from '../../src/limits/no-limits.ts'
import { noPrompts } from '../../src/prompts/no-prompts.ts'
import { openaiUpstream } from '../../src/upstream/openai-upstream.ts'
import { wholeApp } from '../../src/whole-app.ts'
import { wireAttempt } from '../../src/wiring/attempt.ts'
import { deploymentOf, routeOf } from '../support/routes.ts'

type Variables = { FAULTY_URL: string; HEALTHY_URL: string; CLOSED_URL: string }

type Used = Pick<HttpPorts, 'complete' | 'keys' | 'limits' | 'sha256Hex' | 'settings'>

/** Short, so that a hundred cells that wait for one are done in seconds. */
const TIMEOUTS = {
  connect: 1_000,
  firstToken: 1_000,
  firstTokenWhileWaiting: 1_500,
  betweenTokens: 1_000,
  total: 20_000,
}

let ports: Used | undefined
/** What was billed, and which calls ended. */
const billed: (Usage | undefined)[] = []
const ended: AttemptRecord[] = []

const meter: Meter = {
  begin: () => ({
    waits() {},
    firstToken() {},
    end: ({ status, usage }) => {
      if (status === 'success') billed.push(usage)
    },
  }),
}

function portsOf(variables: Variables): Used {
  if (ports) return ports
  const at = (id: string, baseUrl: string, given: Partial<Deployment> = {}) =>
    deploymentOf({
      ...{ id, model: 'model', timeouts: TIMEOUTS, contextTokens: 4_096, ...given },
      upstream: openaiUpstream({
        ...{ baseUrl, fetch: (...call: Parameters<typeof fetch>) => fetch(...call) },
        tokenIds: given.continuation?.includes('token_ids') === true,
      }),
    })
  const routes = new Map<string, Route>([
    ['alone', routeOf([at('faulty', variables.FAULTY_URL, { continuation: ['token_ids'] })], { alias: 'alone' })],
  ])
  for (const by of CONTINUATIONS) {
    const faulty = at('faulty', variables.FAULTY_URL, { continuation: [by] })
    const closed = at('closed', variables.CLOSED_URL)
    const healthy = at('healthy', variables.HEALTHY_URL, { continuation: [by], contextTokens: 32_768 })
    routes.set(by, routeOf([faulty, healthy], { alias: by }))
    routes.set(`closed-${by}`, routeOf([closed, healthy], { alias: `closed-${by}` }))
  }
  ports = {
    complete: {
      models: { routeOf: (alias) => routes.get(alias), list: () => [], isKnown: () => true },
      ...{ prompts: noPrompts, filters: noFilters, cache: noCache, admission: noLimits, budgets: noBudgets, meter },
      attempt: wireAttempt((record) => ended.push(record)),
      drawSeed: () => 1,
    },
    keys: { find: async () => ({ tenantId: 'tnt_chaos', keyId: 'key_1', scopes: ['chat'] }) },
    limits: noRequestLimits,
    sha256Hex: (text) => text,
    settings: { bodyBytesMax: 1_000_000, logLevel: 'silent', defaultModel: 'alone' },
  }
  return ports
}

// Sound: no route that the test calls uses another port.
const app = wholeApp((env) => portsOf(env as unknown as Variables) as HttpPorts)

export default {
  /** `GET /accounts` tells what was billed and which calls have ended. */
  fetch(...[request, env, context]: Parameters<typeof app.fetch>) {
    if (new URL(request.url).pathname === '/accounts') return Response.json({ billed, ended })
    return app.fetch(request, env, context)
  },
}
