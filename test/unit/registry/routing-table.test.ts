/** What an isolate makes of a version: objects that stay as long as what they stand for, and defaults. */
import { expect, test } from 'vitest'
import type { TokenCounter } from '../../../src/chat/ports.ts'
import type { RoutingConfig } from '../../../src/contract/routing-config.ts'
import { AppError } from '../../../src/errors.ts'
import { aliasCounter, estimatingCounter } from '../../../src/registry/alias-counter.ts'
import { lastGoodTable, preparedTables, registeredModels } from '../../../src/registry/registered-models.ts'
import { type Adapter, type RoutingTable, routingTables } from '../../../src/registry/routing-table.ts'
import { settingsConfig } from '../../../src/registry/settings-config.ts'
import { ADAPTERS } from '../../../src/wiring/adapters.ts'

const TIMEOUTS = { connect: 1, firstToken: 2, firstTokenWhileWaiting: 3, betweenTokens: 4, total: 5 }
const A = { adapter: 'openai', url: 'https://a.example.com', model: 'm-a' } as const
const B = { adapter: 'inference', url: 'https://b.example.com', model: 'm-b' } as const
const upstream = { open: () => Promise.reject(new Error('Nobody was to be asked.')) }

function world(adapters: Readonly<Record<string, Partial<Adapter>>> = {}) {
  const made: string[] = []
  const tables = routingTables({
    adapters: ADAPTERS,
    timeouts: TIMEOUTS,
    makeAdapter(id) {
      made.push(id)
      return { upstream, ...adapters[id] }
    },
  })
  return { made, tables }
}

const CONFIG: RoutingConfig = {
  deployments: { a: A, b: B },
  models: { chat: { targets: [{ deployment: 'a' }, { deployment: 'b', priority: 1, weight: 0 }] } },
}

test('a deployment that is the same in the next version is the same object, another is made anew', () => {
  const { made, tables } = world()
  const first = tables(1, CONFIG)
  const second = tables(2, { ...CONFIG, deployments: { b: structuredClone(B), a: { ...A, model: 'm-2' } } })
  expect(made).toEqual(['a', 'b', 'a'])
  expect(second.deployments.get('b')).toBe(first.deployments.get('b'))
  expect(second.models.get('chat')?.route.targets.map(({ deployment }) => deployment.model)).toEqual(['m-2', 'm-b'])
  // What is gone and comes back is made anew: nothing is kept of what no version names.
  tables(3, { deployments: { b: B }, models: {} })
  tables(4, CONFIG)
  expect(made).toEqual(['a', 'b', 'a', 'a'])
})

test('what a document does not say has the defaults that docs/routing.md tells', () => {
  const { models } = world().tables(1, CONFIG)
  expect(models.get('chat')?.route).toEqual({
    alias: 'chat',
    targets: [
      { deployment: expect.objectContaining({ id: 'a' }), priority: 0, weight: 1, when: undefined },
      { deployment: expect.objectContaining({ id: 'b' }), priority: 1, weight: 0, when: undefined },
    ],
    strategy: 'least_loaded',
    sticky: undefined,
    canary: undefined,
    affinity: { by: 'off', spill: 1.5 },
    continueBy: ['token_ids', 'assistant', 'instruct'],
  })
  const [a, b] = models.get('chat')?.route.targets.map(({ deployment }) => deployment) ?? []
  expect(a).toMatchObject({ continuation: ['instruct'], timeouts: TIMEOUTS, queue: { length: 100, waitMs: 10_000 } })
  expect([...(a?.capabilities ?? [])]).toEqual(['tools', 'json_schema', 'logprobs', 'n'])
  expect(b?.continuation).toEqual(['token_ids'])
})

test('replicas of our own server prefer who read the same beginning; one alone, or beside others, does not', () => {
  const two: RoutingConfig = {
    deployments: { b: B, c: B, a: A },
    models: {
      pair: { targets: [{ deployment: 'b' }, { deployment: 'c' }] },
      mixed: { targets: [{ deployment: 'b' }, { deployment: 'a' }] },
      alone: { targets: [{ deployment: 'b' }] },
      off: { targets: [{ deployment: 'b' }, { deployment: 'c' }], affinity: { by: 'off' } },
    },
  }
  const { models } = world().tables(1, two)
  const by = Object.fromEntries([...models].map(([alias, { route }]) => [alias, route.affinity.by]))
  expect(by).toEqual({ pair: 'prefix', mixed: 'off', alone: 'off', off: 'off' })
})

test('what a document says is what routing gets', () => {
  const { models } = world().tables(1, {
    deployments: {
      a: {
        ...A,
        timeouts_ms: { connect: 100, total: 200 },
        capabilities: ['vision'],
        continuation: [],
        context_tokens: 4_096,
        region: 'eu-west-1',
        location: { latitude: 1, longitude: 2 },
        price: { input: 1, output: 2 },
        in_flight_max: 3,
        queue: { length: 0 },
      },
      off: { ...B, enabled: false },
    },
    models: {
      chat: {
        targets: [{ deployment: 'a', when: { tenants: ['t'] } }, { deployment: 'off' }],
        strategy: 'weighted',
        sticky: 'user',
        canary: { deployment: 'a', percent: 10 },
        affinity: { by: 'conversation', spill: 2 },
        continue_by: [],
      },
    },
  })
  const route = models.get('chat')?.route
  expect(route).toMatchObject({
    strategy: 'weighted',
    sticky: 'user',
    canary: { deploymentId: 'a', percent: 10, by: 'request' },
    affinity: { by: 'conversation', spill: 2 },
    continueBy: [],
  })
  // The disabled one is not asked, and not forgotten either.
  expect(route?.targets).toHaveLength(1)
  expect(route?.targets[0]).toMatchObject({
    when: { tenants: ['t'] },
    deployment: {
      timeouts: { ...TIMEOUTS, connect: 100, total: 200 },
      continuation: [],
      contextTokens: 4_096,
      region: 'eu-west-1',
      location: { latitude: 1, longitude: 2 },
      price: { input: 1, output: 2 },
      inFlightMax: 3,
      queue: { length: 0, waitMs: 10_000 },
    },
  })
})

test('a model is seen by the tenants it names, and its object is the same as long as its version is', async () => {
  const { tables } = world()
  const prepare = preparedTables(tables, settingsConfig({ inferenceUrl: 'http://s', model: 's' }))
  const chat = CONFIG.models.chat ?? { targets: [] }
  const stored = {
    number: 1,
    document: JSON.stringify({ ...CONFIG, models: { chat, theirs: { ...chat, tenants: ['tnt_b'] } } }),
  }
  const models = registeredModels(lastGoodTable(() => prepare({ ...stored })))
  const route = models.routeOf('chat', 'tnt_a')
  expect(route).toMatchObject({ alias: 'chat' })
  expect(models.routeOf('chat', 'tnt_b')).toBe(route)
  expect(models.routeOf('theirs', 'tnt_a')).toBeUndefined()
  expect(models.routeOf('theirs', 'tnt_b')).toBe(models.routeOf('theirs', undefined))
  expect(models.routeOf('constructor', 'tnt_a')).toBeUndefined()
  const listed = async (tenantId: string) => (await models.list(tenantId)).map(({ alias }) => alias)
  expect([await listed('tnt_a'), await listed('tnt_b')]).toEqual([['chat'], ['chat', 'theirs']])
  expect([models.isKnown('theirs'), models.isKnown('other')]).toEqual([true, false])
  // A restored database gives the number to another document.
  expect(prepare({ number: 1, document: JSON.stringify({ deployments: {}, models: {} }) }).models.size).toBe(0)
  expect([...prepare(undefined).models.keys()]).toEqual(['s'])
})

test('a list of models says what one of its deployments can do, and leaves out what nobody can answer', async () => {
  const config: RoutingConfig = {
    deployments: {
      a: { ...A, capabilities: ['vision'], context_tokens: 8_192 },
      b: { ...B, context_tokens: 4_096 },
      off: { ...A, enabled: false },
    },
    models: {
      chat: { targets: [{ deployment: 'a' }, { deployment: 'b' }], created: 7 },
      off: { targets: [{ deployment: 'off' }] },
    },
  }
  const { tables } = world()
  const models = registeredModels(lastGoodTable(() => tables(1, config)))
  expect(await models.list('t')).toEqual([
    {
      alias: 'chat',
      createdAt: 7,
      capabilities: ['json_schema', 'logprobs', 'n', 'tools', 'vision'],
      contextTokens: 8_192,
    },
  ])
  expect(models.routeOf('off', 't')).toMatchObject({ targets: [] })
})

test('the last version goes on while nobody can tell of another; an isolate that never knew one is closed', async () => {
  const table = world().tables(1, CONFIG)
  const down = () => Promise.reject(new AppError('store_unavailable', 'down'))
  let recall: () => RoutingTable | Promise<RoutingTable> = down
  const models = registeredModels(lastGoodTable(() => recall()))
  await expect(models.routeOf('chat', 't')).rejects.toMatchObject({ code: 'store_unavailable' })
  recall = () => Promise.resolve(table)
  const route = await models.routeOf('chat', 't')
  recall = down
  expect(await models.routeOf('chat', 't')).toBe(route)
})

test('tokens are counted by the first deployment that counts, by another when it is in trouble, and estimated where none does', async () => {
  const asked: string[] = []
  const counter = (name: string, answer: number | AppError): TokenCounter => ({
    async count(model) {
      asked.push(`${name} ${model}`)
      if (typeof answer !== 'number') throw answer
      return { tokens: answer, contextTokens: 100 }
    },
  })
  const down = new AppError('upstream_unavailable', 'down')
  const config: RoutingConfig = {
    deployments: { a: { ...A, context_tokens: 9_000 }, b: B, c: B, long: B },
    models: {
      chat: { targets: [{ deployment: 'a' }, { deployment: 'b' }, { deployment: 'c' }] },
      plain: { targets: [{ deployment: 'a' }] },
      long: { targets: [{ deployment: 'long' }, { deployment: 'c' }] },
    },
  }
  const tooLong = new AppError('context_length_exceeded', 'long')
  const table = world({
    b: { counter: counter('b', down) },
    c: { counter: counter('c', 7) },
    long: { counter: counter('long', tooLong) },
  }).tables(1, config)
  const messages = [{ role: 'user' as const, content: '0123456789'.repeat(30) }]
  const { signal } = new AbortController()
  const exact = aliasCounter(() => table)
  expect(await exact.count('chat', messages, signal)).toEqual({ tokens: 7, contextTokens: 100 })
  expect(asked).toEqual(['b m-b', 'c m-b'])
  await expect(exact.count('plain', messages, signal)).rejects.toMatchObject({ code: 'not_configured' })
  const estimating = estimatingCounter(() => table)
  const { tokens, contextTokens } = await estimating.count('plain', messages, signal)
  expect(contextTokens).toBe(9_000)
  // 300 letters: rather more tokens than there are, not a token a letter.
  expect(tokens).toBeGreaterThan(100)
  expect(tokens).toBeLessThan(150)
  await expect(estimating.count('long', messages, signal)).rejects.toBe(tooLong)
})
