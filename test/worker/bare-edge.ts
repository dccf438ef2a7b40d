/** The edge's routes, its sequence and its loop over deployments behind routes of a test's own: no store, no limit, no cache. */
import { noBudgets } from '../../src/budgets/no-budgets.ts'
import { noCache } from '../../src/cache/no-cache.ts'
import type { Meter, Route } from '../../src/chat/ports.ts'
import { noFilters } from '../../src/filter/no-filters.ts'
import type { HttpPorts } from '../../src/http/ports.ts'
import { noLimits, noRequestLimits } from '../../src/limits/no-limits.ts'
import { noPrompts } from '../../src/prompts/no-prompts.ts'
import { attemptDeployments } from '../../src/routing/attempt.ts'
import { sleep } from '../../src/routing/sleep.ts'
import { wholeApp } from '../../src/whole-app.ts'
import { allWell } from '../support/all-well.ts'
import type { Accounts } from '../support/edge-accounts.ts'
import { inOrder } from '../support/in-order.ts'

type Used = Pick<HttpPorts, 'complete' | 'keys' | 'limits' | 'sha256Hex' | 'settings'> & {
  /** Every request tells it where it comes from. */
  health: Pick<HttpPorts['health'], 'tellRegion'>
}

/** A Worker that also has `GET /accounts`. `routesOf` is called once, with its variables. */
export function bareEdge<Variables>(routesOf: (variables: Variables) => readonly Route[]) {
  const accounts: Accounts = { billed: [], ended: [] }
  let ports: Used | undefined
  const meter: Meter = {
    begin: () => ({
      waits() {},
      firstToken() {},
      end({ status, usage }) {
        if (status === 'success') accounts.billed.push(usage ?? null)
      },
    }),
  }

  function portsOf(variables: Variables): Used {
    const routes = new Map(routesOf(variables).map((route) => [route.alias, route]))
    return {
      complete: {
        models: { routeOf: (alias) => routes.get(alias), list: () => [], isKnown: () => true },
        ...{ prompts: noPrompts, filters: noFilters, cache: noCache, admission: noLimits, budgets: noBudgets, meter },
        // Nobody's health is kept: a test means the deployment that it names first.
        attempt: attemptDeployments({
          ...{ choose: inOrder, health: allWell, now: Date.now, random: Math.random, sleep },
          ended: (record) => accounts.ended.push(record),
        }),
        drawSeed: () => 1,
      },
      keys: { find: async () => ({ tenantId: 'tnt_bare', keyId: 'key_1', scopes: ['chat'] }) },
      limits: noRequestLimits,
      health: { tellRegion() {} },
      sha256Hex: (text) => text,
      settings: { bodyBytesMax: 1_000_000, logLevel: 'silent', defaultModel: 'model' },
    }
  }

  const app = wholeApp((env) => {
    // Sound: the test that starts the Worker gives it these; no route that it calls uses another port.
    ports ??= portsOf(env as unknown as Variables)
    return ports as unknown as HttpPorts
  })
  return {
    fetch(...[request, env, context]: Parameters<typeof app.fetch>) {
      if (new URL(request.url).pathname === '/accounts') return Response.json(accounts)
      return app.fetch(request, env, context)
    },
  }
}

/** Looked up at each call, as the platform wants it. */
export const platformFetch = (...call: Parameters<typeof fetch>): ReturnType<typeof fetch> => fetch(...call)
