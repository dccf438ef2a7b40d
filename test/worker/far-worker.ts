/** The whole Worker, 120 ms away from every store and with key-value reads 90 s stale: what test/e2e/routing-config.test.ts runs. */
import { edge } from '../../src/edge.ts'
import type { Env } from '../../src/env.ts'
import { distance } from '../support/distance.ts'

// biome-ignore lint/performance/noBarrelFile: the platform finds the classes of Durable Objects among the entry's exports.
export * from '../../src/worker.ts'

const far = distance({
  nowMs: () => Date.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
})
const made = new WeakMap<Env, Env>()

/** The same for the same env, so that there is one wiring. */
function farEnv(env: Env): Env {
  const known = made.get(env) ?? far.env(env)
  made.set(env, known)
  return known
}

const { fetch } = edge()

export default {
  fetch: (request, env, context) => fetch(request, farEnv(env), context),
} satisfies ExportedHandler<Env>
