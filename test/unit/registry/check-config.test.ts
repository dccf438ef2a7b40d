/** What is refused of a routing document beyond its shape: everything at once, each by its field. */
import { expect, test } from 'vitest'
import { type RoutingConfig, routingConfigSchema } from '../../../src/contract/routing-config.ts'
import { type CheckRules, checkConfig, PROBLEMS_MAX } from '../../../src/registry/check-config.ts'
import { ADAPTERS } from '../../../src/wiring/adapters.ts'

const RULES: CheckRules = {
  adapters: ADAPTERS,
  hasSecret: (name) => name === 'UPSTREAM_A',
  allowInternal: false,
  own: [],
}
const A = { adapter: 'openai', url: 'https://a.example.com', model: 'm' } as const

const check = (config: RoutingConfig) =>
  checkConfig(routingConfigSchema.parse(config), RULES).map(({ param, detail }) => `${param} ${detail}`)

test('a whole document with everything in it is good', () => {
  const config: RoutingConfig = {
    deployments: { a: { ...A, secret: 'UPSTREAM_A', headers: { 'x-org': 'o' } }, b: { ...A, adapter: 'inference' } },
    models: {
      chat: {
        targets: [
          { deployment: 'a', weight: 2 },
          { deployment: 'b', priority: 1, when: { prompt_chars: { max: 5 } } },
        ],
        canary: { deployment: 'b', percent: 5 },
      },
    },
  }
  expect(check(config)).toEqual([])
  expect(check({ deployments: {}, models: {} })).toEqual([])
})

test('every mistake is told, by the path of its field, with what is allowed there', () => {
  const config: RoutingConfig = {
    deployments: {
      nowhere: { adapter: 'openai', model: 'm' },
      inside: { ...A, url: 'https://169.254.169.254' },
      secretive: { ...A, secret: 'UPSTREAM_B' },
      mixed: { ...A, endpoint: 'e' },
      sagemaker: { adapter: 'sagemaker', model: 'm', headers: { 'x-org': 'o' } },
    },
    models: {
      chat: {
        targets: [
          { deployment: 'mixed' },
          { deployment: 'mixed' },
          { deployment: 'constructor' },
          { deployment: 'inside', when: { prompt_chars: { min: 5, max: 4 } } },
        ],
        canary: { deployment: 'secretive', percent: 1 },
      },
    },
  }
  expect(check(config)).toEqual([
    'deployments.nowhere.url must be given for openai',
    expect.stringMatching(/^deployments\.inside\.url must not lead to an internal address/),
    'deployments.secretive.secret must name a secret that the Worker has: `wrangler secret put` it first',
    'deployments.mixed.endpoint must not be given for openai',
    'deployments.sagemaker.endpoint must be given for sagemaker',
    'deployments.sagemaker.region must be given for sagemaker',
    'deployments.sagemaker.headers must not be given for sagemaker',
    'deployments.sagemaker.secret must be given: the Worker lacks UPSTREAM_AWS_ACCESS_KEY_ID or UPSTREAM_AWS_SECRET_ACCESS_KEY',
    'models.chat.targets.1.deployment must be named once: another target names it, too',
    'models.chat.targets.2.deployment must be the name of one of `deployments`',
    'models.chat.targets.3.when.prompt_chars.max must be at least `min`',
    'models.chat.canary.deployment must be the deployment of one of `targets`',
  ])
})

test('SageMaker is asked with a secret that is named, or with the two that AWS keys have of themselves', () => {
  const sagemaker = { adapter: 'sagemaker', endpoint: 'e', region: 'eu-west-1', model: 'm' } as const
  const check = (deployment: object, secrets: readonly string[]) =>
    checkConfig(routingConfigSchema.parse({ deployments: { s: deployment }, models: {} }), {
      ...RULES,
      hasSecret: (name) => secrets.includes(name),
    }).map(({ param }) => param)
  const both = ['UPSTREAM_AWS_ACCESS_KEY_ID', 'UPSTREAM_AWS_SECRET_ACCESS_KEY']
  expect(check(sagemaker, both)).toEqual([])
  expect(check(sagemaker, both.slice(0, 1))).toEqual(['deployments.s.secret'])
  expect(check({ ...sagemaker, secret: 'UPSTREAM_AWS' }, ['UPSTREAM_AWS'])).toEqual([])
  // Another address of the same API, as a network's own entry to it, is looked at like any other.
  expect(check({ ...sagemaker, url: 'https://vpce.example.com' }, both)).toEqual([])
  expect(check({ ...sagemaker, url: 'https://10.0.0.1' }, both)).toEqual(['deployments.s.url'])
})

test('a document has bounds: its deployments, its models, its bytes, and the mistakes that are told', () => {
  const many = <Value>(count: number, value: Value) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`n${index}`, value]))
  const model = { targets: [{ deployment: 'n0' }] }
  expect(check({ deployments: many(257, A), models: {} })).toEqual(['deployments must have 256 at most'])
  expect(check({ deployments: many(1, A), models: many(257, model) })).toEqual(['models must have 256 at most'])
  const long = { ...A, url: `https://a.example.com/${'x'.repeat(2_000)}`, headers: many(0, '') }
  for (let header = 0; header < 4; header++) long.headers[`x-h${header}`] = 'y'.repeat(512)
  expect(check({ deployments: many(256, long), models: {} })).toEqual([' must have 1000000 bytes at most as JSON'])
  expect(check({ deployments: many(200, { ...A, url: 'http://a.example.com' }), models: {} })).toHaveLength(
    PROBLEMS_MAX,
  )
})

test('a preset says what is not said, but not an address that every account has of its own', () => {
  const config: RoutingConfig = {
    deployments: {
      groq: { preset: 'groq', model: 'm', secret: 'UPSTREAM_A' },
      azure: { preset: 'azure-openai', model: 'm' },
      plain: { url: 'https://a.example.com', model: 'm' },
      ollama: { preset: 'ollama', model: 'm' },
      odd: { preset: 'groq', endpoint: 'e', model: 'm' },
    },
    models: {},
  }
  expect(check(config)).toEqual([
    'deployments.azure.url must be given for azure-openai, as https://{resource}.openai.azure.com',
    expect.stringMatching(/^deployments\.ollama\.url must not lead to an internal address/),
    'deployments.odd.endpoint must not be given for openai',
  ])
})
