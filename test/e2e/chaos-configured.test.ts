/** The same misbehaving endpoint before the whole product as `npm start` runs it, with deployments that its operator configured. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { answered, ask, type Cell, type ChaosEdge, inLanes, wrongWith } from '../support/chaos-cell.ts'
import { FAULTS, type Fault, type MisbehavingEndpoint, misbehavingEndpoint } from '../support/misbehaving-endpoint.ts'
import { freePort, makeStateDir, type Stack, startStack } from '../support/stack.ts'
import { until } from '../support/until.ts'

const TIMEOUTS = { connect: 1_000, first_token: 1_000, first_token_while_waiting: 1_500, between_tokens: 1_000 }
const REFUSALS: readonly Fault[] = ['status 400', 'status 422', 'content filter']
/** Each at a deployment of its own: one that was found down is not asked for a while. */
const FAULTS_MET = (Object.keys(FAULTS) as Fault[]).filter((fault) => !REFUSALS.includes(fault))

const state = makeStateDir()
let stack: Stack
let faulty: MisbehavingEndpoint
let healthy: MisbehavingEndpoint
let world: ChaosEdge

const headers = () => ({ authorization: `Bearer ${stack.key}`, 'content-type': 'application/json' })

beforeAll(async () => {
  faulty = await misbehavingEndpoint()
  healthy = await misbehavingEndpoint('none')
  stack = await startStack(state.path)
  world = { url: stack.url, key: stack.key, faulty, healthy }
  const deployment = (url: string, context_tokens: number, timeouts_ms: object = TIMEOUTS) => ({
    ...{ adapter: 'openai', url, model: 'model', timeouts_ms, context_tokens, health: { off: true } },
  })
  const targets = (first: string) => [
    { deployment: first, priority: 0 },
    { deployment: 'healthy', priority: 1 },
  ]
  const response = await fetch(`${stack.url}/admin/config`, {
    method: 'PUT',
    headers: headers(),
    body: JSON.stringify({
      deployments: {
        healthy: deployment(healthy.url, 32_768, {}),
        refuses: deployment(`http://127.0.0.1:${await freePort()}`, 4_096),
        ...Object.fromEntries(FAULTS_MET.map((_, index) => [`faulty-${index}`, deployment(faulty.url, 4_096)])),
      },
      models: {
        refuses: { targets: targets('refuses') },
        ...Object.fromEntries(FAULTS_MET.map((_, index) => [`pair-${index}`, { targets: targets(`faulty-${index}`) }])),
      },
    }),
  })
  expect(response.status, await response.text()).toBe(200)
  const listed = async () =>
    (await (await fetch(`${stack.url}/v1/models`, { headers: headers() })).text()).includes('pair-0')
  await until('the configuration is known', listed, 15_000)
})
afterAll(async () => {
  await stack?.stop()
  await Promise.all([faulty?.close(), healthy?.close()])
  state.remove()
})

test('what an operator configured is as good: every fault, streamed, goes on by a turn that asks to', {
  timeout: 120_000,
}, async () => {
  const cells = [...FAULTS_MET, 'refuses' as const].map(
    (fault, index): Cell => ({ id: `pair-${index}`, fault, kind: 'plain', way: 'instruct', stream: true }),
  )
  const wrong: string[] = []
  await inLanes(cells, async (cell) => {
    const startedAt = performance.now()
    const response = await ask(world, cell.fault === 'refuses' ? 'refuses' : cell.id, cell)
    const problem = wrongWith(world, cell, await answered(response, startedAt))
    if (problem) wrong.push(`${cell.fault}: ${problem}`)
  })
  expect(wrong).toEqual([])
  const metrics = await (await fetch(`${stack.url}/metrics`, { headers: headers() })).text()
  expect(metrics).toMatch(/llm_joins_total\{by="instruct"\} [1-9]/)
  expect(metrics).toMatch(/llm_calls_total\{deployment="faulty-\d+",kind="first",code="upstream_interrupted"\} [1-9]/)
})
