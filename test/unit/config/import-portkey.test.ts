/** A configuration of Portkey's as ours: what can be carried over is, and of the rest nothing goes unsaid. */
import { expect, test } from 'vitest'
import { importPortkey } from '../../../scripts/config/import-portkey.ts'
import { routingConfigSchema } from '../../../src/contract/routing-config.ts'
import { checkConfig } from '../../../src/registry/check-config.ts'
import { ADAPTERS } from '../../../src/wiring/adapters.ts'

const NESTED = {
  strategy: { mode: 'fallback', on_status_codes: [429, 503] },
  retry: { attempts: 3 },
  cache: { mode: 'semantic' },
  targets: [
    {
      strategy: { mode: 'loadbalance' },
      targets: [
        {
          name: 'a',
          provider: 'openai',
          api_key: 'sk-in-the-file',
          weight: 0.7,
          override_params: { model: 'gpt-4o', max_tokens: 5 },
        },
        {
          provider: 'azure-openai',
          azure_resource_name: 'res',
          azure_deployment_id: 'dep',
          virtual_key: 'azure-vk-1',
          weight: 0.3,
        },
      ],
    },
    {
      provider: 'openai',
      custom_host: 'https://vllm.example.com/v1',
      override_params: { model: 'qwen3' },
      request_timeout: 10_000,
      forward_headers: ['x-a'],
    },
    { provider: '@my-integration', override_params: { model: 'm' } },
    { provider: 'groq', virtual_key: 'groq-vk' },
  ],
}

/** As text: an object with a field `then` looks like a promise. */
const CONDITIONAL = `{
  "strategy": {
    "mode": "conditional",
    "conditions": [
      { "query": { "metadata.plan": { "$eq": "paid" } }, "then": "good" },
      { "query": { "metadata.n": { "$gt": 5 } }, "then": "odd" }
    ],
    "default": "plain"
  },
  "targets": [
    { "name": "good", "provider": "openai", "virtual_key": "vk", "override_params": { "model": "good" } },
    { "name": "odd", "provider": "openai", "virtual_key": "vk", "override_params": { "model": "odd" } },
    { "name": "plain", "provider": "@openai-prod", "override_params": { "model": "plain" } }
  ]
}`

test('fallbacks are priorities, load balancing is weights, and it is a good configuration', () => {
  const { config } = importPortkey(NESTED, 'chat')
  expect(routingConfigSchema.parse(config)).toEqual(config)
  expect(checkConfig(config, { adapters: ADAPTERS, hasSecret: () => true, allowInternal: false, own: [] })).toEqual([])
  expect(config).toEqual({
    deployments: {
      a: { preset: 'openai', model: 'gpt-4o', secret: 'UPSTREAM_A' },
      'azure-openai': {
        preset: 'azure-openai',
        url: 'https://res.openai.azure.com',
        model: 'dep',
        secret: 'UPSTREAM_AZURE_VK_1',
      },
      openai: { adapter: 'openai', url: 'https://vllm.example.com', model: 'qwen3', timeouts_ms: { total: 10_000 } },
    },
    models: {
      chat: {
        strategy: 'weighted',
        targets: [
          { deployment: 'a', weight: 0.7 },
          { deployment: 'azure-openai', weight: 0.3 },
          { deployment: 'openai', priority: 10 },
        ],
      },
    },
  })
})

test('every field that could not be carried over is named, and no key is copied', () => {
  const imported = importPortkey(NESTED, 'chat')
  expect(imported.notes.map(({ field }) => field).sort()).toEqual([
    'cache',
    'retry',
    'strategy.on_status_codes',
    'targets.0.targets.0.api_key',
    'targets.0.targets.0.override_params.max_tokens',
    'targets.1.forward_headers',
    'targets.2.provider',
    'targets.3.override_params.model',
  ])
  expect(imported.secrets.map(({ secret }) => secret)).toEqual(
    expect.arrayContaining(['UPSTREAM_A', 'UPSTREAM_AZURE_VK_1']),
  )
  expect(JSON.stringify(imported)).not.toContain('sk-in-the-file')
})

test('conditions on metadata are conditions of targets; the default is asked when none holds', () => {
  const file: unknown = JSON.parse(CONDITIONAL)
  const { config, notes } = importPortkey(file, 'chat')
  expect(config.models.chat?.targets).toEqual([
    { deployment: 'good', when: { metadata: { plan: 'paid' } } },
    { deployment: 'odd', weight: 0 },
    { deployment: 'plain', priority: 10 },
  ])
  expect(notes).toMatchObject([{ field: 'strategy.conditions.1' }])
})

test('a file without targets is one itself', () => {
  const { config } = importPortkey({ provider: 'groq', api_key: 'k', override_params: { model: 'llama' } }, 'chat')
  expect(config).toEqual({
    deployments: { groq: { preset: 'groq', model: 'llama', secret: 'UPSTREAM_GROQ' } },
    models: { chat: { targets: [{ deployment: 'groq' }] } },
  })
})

test.each([[null], ['text'], [{ targets: 'x' }], [{ targets: [null, []] }]])(
  'what is no such file makes nothing: %j',
  (document) => {
    expect(importPortkey(document, 'chat').config).toEqual({ deployments: {}, models: {} })
  },
)
