/** The edge's routes and sequence with the real cache before a model, and nothing else: what test/e2e/cache-joining.test.ts runs. */
import { waitUntil } from 'cloudflare:workers'
import { noBudgets } from '../../src/budgets/no-budgets.ts'
import { answerCache } from '../../src/cache/answer-cache.ts'
import { memoryCache } from '../../src/cache/memory-cache.ts'
import type { AnswerCache } from '../../src/chat/ports.ts'
import { noFilters } from '../../src/filter/no-filters.ts'
import type { HttpPorts } from '../../src/http/ports.ts'
import { noLimits, noRequestLimits } from '../../src/limits/no-limits.ts'
import { noPrompts } from '../../src/prompts/no-prompts.ts'
import { openaiUpstream } from '../../src/upstream/openai-upstream.ts'
import { wholeApp } from '../../src/whole-app.ts'
import { wireAttempt } from '../../src/wiring/attempt.ts'
import { allWell } from '../support/all-well.ts'
import { deploymentOf, routeOf } from '../support/routes.ts'

type Variables = { MODEL_URL: string }

type Used = Pick<HttpPorts, 'complete' | 'keys' | 'limits' | 'sha256Hex' | 'settings'> & {
  /** Every request tells it where it comes from. */
  health: Pick<HttpPorts['health'], 'tellRegion'>
}

let ports: Used | undefined

function portsOf({ MODEL_URL }: Variables): Used {
  if (ports) return ports
  const seconds = 60_000
  const timeouts = { connect: seconds, firstToken: seconds, firstTokenWhileWaiting: seconds, betweenTokens: seconds }
  const fetchIt = (...call: Parameters<typeof fetch>) => fetch(...call)
  const deployment = deploymentOf({
    id: 'model',
    model: 'model',
    timeouts: { ...timeouts, total: seconds },
    upstream: openaiUpstream({ baseUrl: MODEL_URL, fetch: fetchIt }),
  })
  const route = routeOf([deployment])
  ports = {
    complete: {
      models: { routeOf: () => route, list: () => [], isKnown: () => true },
      prompts: noPrompts,
      filters: noFilters,
      cache: counted(
        answerCache({
          memory: memoryCache({ entriesMax: 100, bytesMax: 1_000_000, ttlMs: 3_600_000, now: Date.now }),
          stores: [],
          ttlSeconds: 3_600,
          policyOf: () => 'default',
          waitUntil,
        }),
      ),
      admission: noLimits,
      budgets: noBudgets,
      attempt: wireAttempt(allWell, () => {}),
      meter: { begin: () => ({ waits() {}, firstToken() {}, end() {} }) },
      drawSeed: () => 1,
    },
    keys: { find: async () => ({ tenantId: 'tnt_joining', keyId: 'key_1', scopes: ['chat'] }) },
    limits: noRequestLimits,
    health: { tellRegion() {} },
    sha256Hex: (text) => text,
    settings: { bodyBytesMax: 1_000_000, logLevel: 'silent', defaultModel: 'model' },
  }
  return ports
}

// Sound: no route that the test calls uses another port.
const app = wholeApp((env) => portsOf(env as unknown as Variables) as unknown as HttpPorts)
let arrived = 0

function counted(cache: AnswerCache): AnswerCache {
  return {
    look(question) {
      arrived += 1
      return cache.look(question)
    },
  }
}

export default {
  /** `GET /arrived` says how many requests have reached the cache: a test cannot see what a request waits for. */
  fetch(...[request, env, context]: Parameters<typeof app.fetch>) {
    if (new URL(request.url).pathname === '/arrived') return new Response(String(arrived))
    return app.fetch(request, env, context)
  },
}
