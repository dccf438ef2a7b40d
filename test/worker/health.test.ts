/** The health of deployments over the real Durable Objects: isolates hear of each other, servers announce themselves, operators see why. Runs in workerd. */

import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { createHmac } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Deployment } from '../../src/chat/ports.ts'
import type { Heartbeat } from '../../src/contract/heartbeat.ts'
import { HEARTBEAT_CLOCK_MS, HEARTBEAT_KEPT_MS, signedText } from '../../src/contract/heartbeat-terms.ts'
import type { Check } from '../../src/health/health-wire.ts'
import { type IsolateHealth, isolateHealth } from '../../src/health/isolate-health.ts'
import { heartbeatAnswerSchema, regionHealthSchema } from '../../src/http/openapi/health-schemas.ts'
import { deploymentOf } from '../support/routes.ts'
import { codeOf, type Edge, edge, KEY } from './edge-client.ts'
import { fakeModel, HELLO, wholeAnswer } from './fake-model.ts'

const SECRET = 'a secret of thirty-two characters'
const A = deploymentOf({ id: 'a' })
const never = new AbortController().signal

let regions = 0
let region = ''
beforeEach(async () => {
  regions += 1
  region = `region-${regions}`
  // What a test configured is for that test alone.
  await env.DB.prepare('DELETE FROM routing_version').run()
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

function passSeconds(seconds: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1_000 })
}

function isolate(checkOf: (id: string) => Check | undefined = () => undefined, isAnnounced = false): IsolateHealth {
  return isolateHealth({
    remote: () => env.HEALTH.getByName(region),
    checkOf,
    isAnnounced: () => isAnnounced,
    waitUntil: (promise) => void promise,
    nowMs: () => Date.now(),
    random: () => 0.5,
    // In the background nothing happens by itself: tests say when to report.
    sleep: (ms) => new Promise((resolve) => (ms < 1_000 ? setTimeout(resolve, ms) : undefined)),
    newId: () => crypto.randomUUID(),
  })
}

function fail(health: IsolateHealth, deployment: Deployment = A): void {
  for (let i = 0; i < 3; i++) health.enter(deployment)?.end({ code: 'upstream_unavailable' })
}

/** The next `times` reports of both. */
async function exchange(...isolates: IsolateHealth[]): Promise<void> {
  for (const one of isolates) await one.report()
}

describe('over the region’s object', () => {
  test('what one isolate opens another hears with its next report, and one of them tries when the time is over', async () => {
    const [first, second] = [isolate(), isolate()]
    second.enter(A)?.end(undefined)
    await exchange(second)
    fail(first)
    await exchange(first, second)
    expect([first.view(A).state, second.view(A).state]).toEqual(['open', 'open'])
    passSeconds(2)
    // Both would like to: that is what views tell.
    for (const one of [first, second]) one.view(A)
    await exchange(first, second)
    expect([first.view(A).state, second.view(A).state]).toEqual(['probing', 'open'])
    const tries = first.enter(A)
    expect(first.enter(A)).toBeUndefined()
    tries?.firstEvent()
    await exchange(first, second)
    expect([first.view(A).state, second.view(A).state]).toEqual(['well', 'well'])
  })

  test('an object that was evicted is taught again by the next reports', async () => {
    const [first, second] = [isolate(), isolate()]
    fail(first)
    await exchange(first)
    await evictDurableObject(env.HEALTH.getByName(region))
    await exchange(first, second)
    second.view(A)
    await exchange(second)
    expect([first.view(A).state, second.view(A).state]).not.toContain('well')
  })

  test('a place that one isolate frees is given to who waits in another', async () => {
    const one = deploymentOf({ id: 'one', inFlightMax: 1, queue: { length: 2, waitMs: 900 } })
    const [first, second] = [isolate(), isolate()]
    const running = first.enter(one)
    await exchange(first)
    const waiting = second.wait([one], { tenantId: 'tnt_a', deadlineMs: Date.now() + 900 }, never)
    await exchange(first)
    expect(first.view(one).state).toBe('full')
    running?.end(undefined)
    await exchange(first)
    const { deployment, call } = await waiting
    expect(deployment.id).toBe('one')
    expect(first.view(one).state).toBe('full')
    call.end(undefined)
    await exchange(second, first)
    expect(first.view(one).state).toBe('well')
  })

  test('a deployment that is called is asked by alarm whether it is well, and two refusals open it', async () => {
    const asked: string[] = []
    vi.stubGlobal('fetch', async (url: string) => {
      asked.push(url)
      return new Response('', { status: 500 })
    })
    const health = isolate(() => ({ url: 'https://a.example/health', intervalMs: 5_000 }))
    health.enter(A)?.end(undefined)
    await exchange(health)
    const object = env.HEALTH.getByName(region)
    expect(await runDurableObjectAlarm(object)).toBe(true)
    expect((await object.status()).deployments[0]).toMatchObject({
      state: 'well',
      lastCheck: { ok: false, code: 'status_500' },
    })
    passSeconds(6)
    expect(await runDurableObjectAlarm(object)).toBe(true)
    expect(asked).toEqual(['https://a.example/health', 'https://a.example/health'])
    expect((await object.status()).deployments[0]).toMatchObject({ state: 'open', code: 'status_500' })
    await exchange(health)
    expect(health.view(A).state).toBe('open')
  })

  test('nothing is stored of deployments, and no alarm is left where nothing is to be checked', async () => {
    const health = isolate()
    fail(health)
    await exchange(health)
    await runInDurableObject(env.HEALTH.getByName(region), async (_, state) => {
      expect([await state.storage.getAlarm(), (await state.storage.list()).size]).toEqual([null, 0])
    })
  })
})

const HEARTBEAT: Heartbeat = {
  deployment: 'llama-a',
  instance: 'instance-1',
  url: 'https://one.example',
  model: 'm',
  draining: false,
  load: {
    slots: 8,
    running: 3,
    waiting: 1,
    requests_per_second: 1.5,
    cpu: 0.5,
    memory_used_bytes: 1,
    memory_total_bytes: 2,
    gpus: [{ utilization: 0.9, memory_used_bytes: 1, memory_total_bytes: 2 }],
  },
}

function announce(
  client: Edge,
  heartbeat: object,
  { secret = SECRET, atMs = Date.now() }: { secret?: string; atMs?: number } = {},
): Promise<Response> {
  const body = JSON.stringify(heartbeat)
  const signature = `v1=${createHmac('sha256', secret)
    .update(signedText(String(atMs), body))
    .digest('hex')}`
  return client.fetch('/endpoints/heartbeat', {
    method: 'POST',
    headers: { 'x-perigee-time': String(atMs), 'x-perigee-signature': signature },
    body,
  })
}

const installed = () => edge({ PERIGEE_HEARTBEAT_SECRET: SECRET })
/** Of a deployment that no other test announces. */
const fresh = (more: Partial<Heartbeat> = {}): Heartbeat => ({ ...HEARTBEAT, deployment: `llama-${regions}`, ...more })

describe('servers that announce themselves', () => {
  test('are called where they say that they are, from the next look of the region on', async () => {
    const health = isolate(undefined, true)
    const mine = deploymentOf({ id: `llama-${regions}` })
    expect(await health.endpointOf(mine.id)).toBeUndefined()
    expect(health.view(mine).state).toBe('draining')
    const response = await announce(installed(), fresh())
    expect(response.status).toBe(200)
    expect(heartbeatAnswerSchema.parse(await response.json())).toMatchObject({ deployment: mine.id, next_in_ms: 5_000 })
    passSeconds(3)
    await exchange(health)
    expect(health.endpointOf(mine.id)).toBe('https://one.example')
    expect(health.view(mine).state).toBe('well')
  })

  test('get no more calls when they say that they stop, and the one that takes their place does', async () => {
    const client = installed()
    const endpoints = env.ENDPOINTS.getByName('all')
    const first = async () => (await endpoints.list()).find(({ deploymentId }) => deploymentId === `llama-${regions}`)
    await announce(client, fresh())
    passSeconds(1)
    await announce(client, fresh({ instance: 'instance-2', url: 'https://two.example' }))
    expect((await first())?.url).toBe('https://one.example')
    passSeconds(1)
    await announce(client, fresh({ draining: true }))
    expect((await first())?.url).toBe('https://two.example')
  })

  test('are gone when three heartbeats did not come, and outlive their object', async () => {
    await announce(installed(), fresh())
    await evictDurableObject(env.ENDPOINTS.getByName('all'))
    const names = async () => (await env.ENDPOINTS.getByName('all').list()).map(({ deploymentId }) => deploymentId)
    expect(await names()).toContain(`llama-${regions}`)
    passSeconds(HEARTBEAT_KEPT_MS / 1_000 + 1)
    expect(await names()).not.toContain(`llama-${regions}`)
  })

  test('leave nothing behind', async () => {
    await announce(installed(), fresh())
    passSeconds(600)
    await runDurableObjectAlarm(env.ENDPOINTS.getByName('all'))
    await runInDurableObject(env.ENDPOINTS.getByName('all'), async (_, state) => {
      expect(state.storage.sql.exec('SELECT * FROM server').toArray()).toEqual([])
    })
  })

  test('a heartbeat that came before is refused, and so is one that was sent before it', async () => {
    const client = installed()
    const atMs = Date.now()
    expect((await announce(client, fresh(), { atMs })).status).toBe(200)
    for (const again of [atMs, atMs - 1_000]) {
      const response = await announce(client, fresh({ draining: true }), { atMs: again })
      expect([response.status, await codeOf(response)]).toEqual([401, 'invalid_signature'])
    }
  })

  test.each([
    ['another secret', { secret: SECRET.toUpperCase() }],
    ['a time long ago', { atMs: Date.now() - HEARTBEAT_CLOCK_MS - 5_000 }],
    ['a time to come', { atMs: Date.now() + HEARTBEAT_CLOCK_MS + 60_000 }],
  ])('%s is refused', async (_, wrong) => {
    const response = await announce(installed(), fresh(), wrong)
    expect([response.status, await codeOf(response)]).toEqual([401, 'invalid_signature'])
  })

  test('who is not signed learns nothing of what a heartbeat must hold', async () => {
    const response = await installed().fetch('/endpoints/heartbeat', { method: 'POST', body: '{"deployment":' })
    expect([response.status, await codeOf(response)]).toEqual([401, 'invalid_signature'])
  })

  test.each<[string, object, string | undefined]>([
    ['a URL with a password in it', { url: 'https://user:password@one.example' }, 'url'],
    ['a URL of another kind', { url: 'file:///etc/passwd' }, 'url'],
    ['a field that nobody knows', { secret: 'x' }, 'secret'],
    ['a share above one', { load: { ...HEARTBEAT.load, cpu: 1.1 } }, 'load.cpu'],
    ['a name that is no deployment’s', { deployment: '../x' }, 'deployment'],
  ])('%s is refused by name', async (_, wrong, param) => {
    const response = await announce(installed(), { ...fresh(), ...wrong })
    expect([response.status, await response.json()]).toEqual([
      400,
      expect.objectContaining({ code: 'invalid_request', param }),
    ])
  })

  test('an address inside our own network is refused, as in the configuration', async () => {
    const response = await announce(installed(), fresh({ url: 'https://10.0.0.1' }))
    expect([response.status, await response.json()]).toEqual([
      400,
      expect.objectContaining({ code: 'invalid_request', param: 'url' }),
    ])
    const allowing = edge({ PERIGEE_HEARTBEAT_SECRET: SECRET, PERIGEE_ALLOW_INTERNAL_URLS: 'on' })
    expect((await announce(allowing, fresh({ url: 'http://10.0.0.1:8080' }))).status).toBe(200)
  })

  test('a deployment without a URL is called where its server says that it is, with the key that the configuration gives it', async () => {
    const model = fakeModel(wholeAnswer(...HELLO))
    const client = edge({
      PERIGEE_HEARTBEAT_SECRET: SECRET,
      UPSTREAM_A: 'sk-a',
      PERIGEE_INFERENCE_KEY: 'never sent there',
    })
    const deployment = `llama-${regions}`
    const config = {
      deployments: { [deployment]: { adapter: 'inference', model: 'm-a', secret: 'UPSTREAM_A' } },
      models: { announced: { targets: [{ deployment }] } },
    }
    // A region that no other test's clock has been to.
    const put = { method: 'PUT', cf: { continent: 'AS' } }
    expect((await client.post('/admin/config', config, put)).status).toBe(200)
    const ask = () =>
      client.post('/v1/chat/completions', { model: 'announced', messages: [{ role: 'user', content: 'Hi' }] })
    const early = await ask()
    expect([early.status, await codeOf(early)]).toEqual([502, 'upstream_unavailable'])
    expect((await announce(client, fresh())).status).toBe(200)
    passSeconds(3)
    // As any report does; the next is on its way by itself.
    await client.get('/admin/health')
    const response = await ask()
    expect([response.status, model.lastCall().url]).toEqual([200, 'https://one.example/v1/chat/completions'])
    expect(model.lastCall().headers.get('authorization')).toBe('Bearer sk-a')
  })

  test('without a secret nobody may', async () => {
    const response = await announce(edge(), fresh())
    expect([response.status, await codeOf(response)]).toEqual([503, 'not_configured'])
  })

  test('a heartbeat is small', async () => {
    const response = await announce(installed(), { ...fresh(), model: 'm'.repeat(70_000) })
    expect(response.status).toBe(413)
  })
})

describe('GET /admin/health', () => {
  test('says of each deployment how it does and why, with the load of the servers that announce themselves', async () => {
    fakeModel(wholeAnswer(...HELLO))
    const client = installed()
    await announce(client, fresh({ deployment: 'inference' }))
    const response = await client.get('/admin/health?region=SA')
    expect(response.headers.get('cache-control')).toBe('no-store')
    const seen = regionHealthSchema.parse(await response.json())
    expect(seen).toMatchObject({
      region: 'SA',
      waiting: 0,
      deployments: [{ id: 'inference', state: 'well', queue: { length: 0 }, load: HEARTBEAT.load }],
    })
    expect(seen.servers.find(({ deployment }) => deployment === 'inference')).toMatchObject({
      url: 'https://one.example',
      draining: false,
    })
  })

  test('tells what opened a deployment, when it failed and for how long it is closed', async () => {
    region = 'OC'
    const health = isolate()
    fail(health)
    await exchange(health)
    const response = await installed().get('/admin/health?region=OC')
    const seen = regionHealthSchema.parse(await response.json())
    const one = seen.deployments.find(({ id }) => id === 'a')
    expect(one).toMatchObject({
      state: 'open',
      code: 'upstream_unavailable',
      openings: 1,
      in_flight: 0,
      latency_ms: null,
    })
    expect(one?.why).toContain('upstream_unavailable')
    expect(one?.closed_for_ms).toBeGreaterThan(0)
    expect(one?.last_failure).toMatchObject({ code: 'upstream_unavailable' })
    expect(one?.failures_per_second).toBeCloseTo(0.3)
  })

  test('is of the continent where the isolate’s first request came in', async () => {
    const client = installed()
    const of = async (continent: string) => {
      const init = { headers: { authorization: `Bearer ${KEY}` }, cf: { continent } }
      return regionHealthSchema.parse(await (await client.fetch('/admin/health', init)).json()).region
    }
    expect([await of('AN'), await of('EU')]).toEqual(['AN', 'AN'])
  })

  test('knows the regions there are', async () => {
    const response = await installed().get('/admin/health?region=nowhere')
    expect([response.status, await codeOf(response)]).toEqual([400, 'invalid_request'])
  })

  test('and GET /metrics has the same as gauges', async () => {
    region = 'all'
    const health = isolate()
    fail(health)
    await exchange(health)
    const text = await (await installed().get('/metrics')).text()
    expect(text).toContain('llm_deployment_open{deployment="a",region="all"} 1\n')
    expect(text).toContain('llm_deployment_queue_length{deployment="a",region="all"} 0\n')
    expect(text).toContain('llm_requests_total')
  })
})
