/** What isolates know of the routing document 120 ms away from every store, with key-value reads 90 s stale and stores that fail. */
import { evictDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { RoutingConfig } from '../../src/contract/routing-config.ts'
import { SCOPES } from '../../src/contract/scopes.ts'
import { directory } from '../../src/directory/directory.ts'
import { kvReserve } from '../../src/directory/reserve.ts'
import { lastGoodTable, preparedTables, registeredModels } from '../../src/registry/registered-models.ts'
import { routingAdmin } from '../../src/registry/routing-admin.ts'
import { routingStore, type StoredRouting } from '../../src/registry/routing-store.ts'
import { type RoutingTable, routingTables } from '../../src/registry/routing-table.ts'
import { settingsConfig } from '../../src/registry/settings-config.ts'
import { ADAPTERS } from '../../src/wiring/adapters.ts'
import { type Distance, distance } from '../support/distance.ts'
import { type VirtualClock, virtualClock } from '../support/virtual-clock.ts'

const DAY_MS = 86_400_000
const OF_SETTINGS = settingsConfig({ inferenceUrl: 'http://settings', model: 'settings' })
const BY = { tenantId: 'tnt_default', keyId: 'key_default', scopes: SCOPES }
const TIMEOUTS = { connect: 1, firstToken: 1, firstTokenWhileWaiting: 1, betweenTokens: 1, total: 1 }

let tests = 0
let clock: VirtualClock
let far: Distance

beforeEach(async () => {
  clock = virtualClock(1_764_000_000_000 + tests++ * DAY_MS)
  vi.spyOn(Date, 'now').mockImplementation(clock.nowMs)
  far = distance(clock)
  await env.DB.prepare('DELETE FROM routing_version').run()
  await evict()
})
afterEach(() => {
  vi.restoreAllMocks()
})

async function evict(): Promise<void> {
  const object = env.CONFIG.getByName('all')
  await object.changesSince()
  await evictDurableObject(object)
}

/** `chat` is answered by the deployment of that name. */
function answeredBy(id: string): RoutingConfig {
  return {
    deployments: { [id]: { adapter: 'openai', url: `https://${id}.example.com`, model: id } },
    models: { chat: { targets: [{ deployment: id }] } },
  }
}

function isolate() {
  const bindings = far.env(env)
  const known = directory({
    ...clock,
    config: () => bindings.CONFIG.getByName('all'),
    reserve: kvReserve(bindings.RESERVE),
    waitUntil: () => undefined,
  })
  const store = routingStore({ db: bindings.DB, now: clock.nowMs, changed: known.changed })
  const makeAdapter = () => ({ upstream: { open: () => Promise.reject(new Error('Nobody is asked.')) } })
  const recall = known.remember<StoredRouting, RoutingTable>({
    kind: 'routing',
    load: () => store.held(),
    prepare: preparedTables(
      routingTables({
        adapters: ADAPTERS,
        makeAdapter,
        timeouts: TIMEOUTS,
      }),
      OF_SETTINGS,
    ),
    key: () => 'all',
  })
  const models = registeredModels(lastGoodTable(() => recall('all')))
  const rules = { adapters: ADAPTERS, hasSecret: () => true, allowInternal: false, own: [] }
  const admin = routingAdmin({ store, rules, ofSettings: OF_SETTINGS })
  const change = { by: BY, comment: '', expected: 'any' } as const
  return {
    /** Which deployment answers, or undefined where there is no such alias. */
    async ask(alias = 'chat') {
      return (await clock.run(models.routeOf(alias, 'tnt_a')))?.targets[0]?.deployment.id
    },
    apply: (config: RoutingConfig) => clock.run(admin.apply({ ...change, edit: () => config })),
    rollBack: (to: number) => clock.run(admin.rollBack({ ...change, to })),
  }
}

type Isolate = ReturnType<typeof isolate>

/** A request a second at each, for less than 10 s; then each is asked once more. */
async function afterTenSeconds(isolates: readonly Isolate[]): Promise<(string | undefined)[]> {
  for (let second = 0; second < 9; second++) {
    for (const one of isolates) await one.ask()
    await clock.advance(900)
  }
  return Promise.all(isolates.map((one) => one.ask()))
}

test('a change, a refusal and a rollback are everywhere within 10 s, also when the objects were evicted meanwhile', async () => {
  const isolates = [isolate(), isolate(), isolate()] as const
  const [writer, ...others] = isolates
  await writer.apply(answeredBy('one'))
  expect(await afterTenSeconds(isolates)).toEqual(['one', 'one', 'one'])
  await writer.apply(answeredBy('two'))
  expect(await writer.ask()).toBe('two')
  expect(await afterTenSeconds(others)).toEqual(['two', 'two'])
  expect(await writer.apply({ ...answeredBy('one'), deployments: {} })).toMatchObject({ outcome: 'refused' })
  expect(await afterTenSeconds(isolates)).toEqual(['two', 'two', 'two'])
  await writer.rollBack(1)
  await far.abort('CONFIG', evict)
  expect(await afterTenSeconds(isolates)).toEqual(['one', 'one', 'one'])
  expect(await isolate().ask()).toBe('one')
})

test('while D1 fails the last version goes on for as long as the isolate lives, and a new one takes the copy for 15 minutes', async () => {
  const one = isolate()
  await one.apply(answeredBy('one'))
  // Busy long enough for a copy that was made clearly after the change; then it is seen elsewhere.
  for (let tens = 0; tens < 3; tens++) await afterTenSeconds([one])
  await clock.advance(100_000)
  for (const trouble of ['fails', 'hangs'] as const) {
    far.trouble('DB', trouble)
    await clock.advance(20_000)
    expect([await one.ask(), await isolate().ask()], trouble).toEqual(['one', 'one'])
    await expect(one.apply(answeredBy('two')).catch(() => 'refused')).resolves.toBe('refused')
  }
  // Much longer than anything that lets somebody in would go on.
  await clock.advance(3_600_000)
  expect(await one.ask()).toBe('one')
  await expect(isolate().ask()).rejects.toMatchObject({ code: 'store_unavailable' })
  far.trouble('DB', undefined)
  await clock.advance(20_000)
  await one.apply(answeredBy('two'))
  expect(await one.ask()).toBe('two')
})

test('an isolate that heard of a change and cannot read it goes on as before, and follows when it can', async () => {
  const [writer, other] = [isolate(), isolate()]
  await writer.apply(answeredBy('one'))
  expect(await other.ask()).toBe('one')
  await writer.apply(answeredBy('two'))
  far.trouble('DB', 'fails')
  expect(await afterTenSeconds([other])).toEqual(['one'])
  far.trouble('DB', undefined)
  expect(await afterTenSeconds([other])).toEqual(['two'])
})
