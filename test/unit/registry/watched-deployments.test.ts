/** What health is told of the configuration: where each deployment is asked whether it is well, and whose address comes by heartbeat. */
import { expect, test } from 'vitest'
import type { DeploymentConfig } from '../../../src/contract/routing-config.ts'
import { routingTables } from '../../../src/registry/routing-table.ts'
import { watchedDeployments } from '../../../src/registry/watched-deployments.ts'
import { ADAPTERS } from '../../../src/wiring/adapters.ts'

const TIMEOUTS = { connect: 1, firstToken: 2, firstTokenWhileWaiting: 3, betweenTokens: 4, total: 5 }
const RULES = { allowInternal: false, own: [] }
const upstream = { open: () => Promise.reject(new Error('Nobody was to be asked.')) }

function watched(config: DeploymentConfig) {
  const table = routingTables({
    adapters: ADAPTERS,
    timeouts: TIMEOUTS,
    makeAdapter: () => ({ upstream }),
  })(1, {
    deployments: { a: config },
    models: {},
  })
  return watchedDeployments(
    Object.assign(() => table, { last: () => table }),
    RULES,
  )
}

test.each<[string, DeploymentConfig, { url: string; intervalMs: number } | undefined]>([
  [
    'our server is asked at /health every 10 s',
    { adapter: 'inference', url: 'https://a.example.com/base/', model: 'm' },
    { url: 'https://a.example.com/base/health', intervalMs: 10_000 },
  ],
  [
    'others are not, unless a path is given',
    { adapter: 'openai', url: 'https://a.example.com', model: 'm' },
    undefined,
  ],
  [
    'the path and the interval that are given hold',
    { adapter: 'openai', url: 'https://a.example.com', model: 'm', health: { path: '/ping', interval_ms: 2_000 } },
    { url: 'https://a.example.com/ping', intervalMs: 2_000 },
  ],
  [
    'nobody is asked where it is off',
    { adapter: 'inference', url: 'https://a.example.com', model: 'm', health: { off: true } },
    undefined,
  ],
  [
    'one that announces itself is not asked',
    { adapter: 'inference', model: 'm', health: { path: '/health' } },
    undefined,
  ],
  [
    'nor is SageMaker',
    { adapter: 'sagemaker', endpoint: 'e', region: 'eu-west-1', model: 'm', health: { path: '/ping' } },
    undefined,
  ],
])('%s', (_, config, check) => {
  expect(watched(config).checkOf('a')).toEqual(check)
})

test('what has no URL and is our server announces itself; what nobody configured does not', () => {
  expect(watched({ adapter: 'inference', model: 'm' }).isAnnounced('a')).toBe(true)
  expect(watched({ adapter: 'inference', url: 'https://a.example.com', model: 'm' }).isAnnounced('a')).toBe(false)
  expect(watched({ adapter: 'inference', model: 'm' }).isAnnounced('b')).toBe(false)
  const never = Object.assign(() => Promise.reject(new Error('nobody knows')), { last: () => undefined })
  const unknown = watchedDeployments(never, RULES)
  expect([unknown.isAnnounced('a'), unknown.checkOf('a')]).toEqual([false, undefined])
})
