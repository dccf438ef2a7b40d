/** A LiteLLM configuration as ours: what can be carried over is, and of the rest nothing goes unsaid. */
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { importLitellm } from '../../../scripts/config/import-litellm.ts'
import { routingConfigSchema } from '../../../src/contract/routing-config.ts'
import { checkConfig } from '../../../src/registry/check-config.ts'
import { ADAPTERS } from '../../../src/wiring/adapters.ts'

const FILE = `
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: azure/gpt-4o-eu
      api_base: https://my-endpoint.openai.azure.com/
      api_key: os.environ/AZURE_API_KEY_EU
      api_version: "2024-07-01-preview"
      rpm: 6
      weight: 3
      timeout: 300
      stream_timeout: 60
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: sk-written-into-the-file
      organization: org-1
      input_cost_per_token: 0.0000025
      output_cost_per_token: 0.00001
    model_info:
      max_input_tokens: 128000
      id: the-second
  - model_name: local
    litellm_params:
      model: openai/qwen3
      api_base: http://10.0.0.5:8000/v1
      api_key: none
      max_parallel_requests: 8
  - model_name: claude
    litellm_params: { model: groq/llama-3.3-70b-versatile, api_key: os.environ/GROQ_API_KEY, order: 1 }
  - model_name: nova
    litellm_params: { model: bedrock/amazon.nova-pro-v1:0, aws_region_name: eu-west-1 }
  - model_name: endpoint
    litellm_params: { model: sagemaker_chat/my-endpoint, aws_region_name: us-east-1 }
  - model_name: embed
    litellm_params: { model: openai/text-embedding-3-small }
    model_info: { mode: embedding }
  - model_name: "openai/*"
    litellm_params: { model: "openai/*" }
  - model_name: homeless
    litellm_params: { model: azure/x }
  - model_name: strange
    litellm_params: { model: predibase/x }
router_settings:
  routing_strategy: latency-based-routing
  num_retries: 2
  model_group_alias: { gpt-4: gpt-4o, gone: nothing }
litellm_settings:
  drop_params: true
  fallbacks: [{ gpt-4o: [claude, absent] }]
general_settings:
  master_key: sk-master
  database_url: postgres://u:pw@db/x
`
const imported = importLitellm(parse(FILE))

test('what comes out is a good configuration', () => {
  expect(routingConfigSchema.parse(imported.config)).toEqual(imported.config)
  const rules = {
    adapters: ADAPTERS,
    hasSecret: () => true,
    allowInternal: true,
    own: [],
  }
  expect(checkConfig(imported.config, rules)).toEqual([])
})

test('deployments name presets, addresses, secrets, prices and time-outs', () => {
  expect(imported.config.deployments).toEqual({
    'gpt-4o': {
      preset: 'azure-openai',
      url: 'https://my-endpoint.openai.azure.com',
      model: 'gpt-4o-eu',
      secret: 'UPSTREAM_AZURE_API_KEY_EU',
      timeouts_ms: { total: 300_000, first_token: 60_000 },
    },
    'gpt-4o-2': {
      preset: 'openai',
      model: 'gpt-4o',
      secret: 'UPSTREAM_GPT_4O_2',
      headers: { 'openai-organization': 'org-1' },
      price: { input: 2_500_000, output: 10_000_000 },
      context_tokens: 128_000,
    },
    local: {
      adapter: 'openai',
      url: 'http://10.0.0.5:8000',
      model: 'qwen3',
      secret: 'UPSTREAM_LOCAL',
      in_flight_max: 8,
    },
    claude: { preset: 'groq', model: 'llama-3.3-70b-versatile', secret: 'UPSTREAM_GROQ_API_KEY' },
    nova: {
      preset: 'bedrock',
      url: 'https://bedrock-mantle.eu-west-1.api.aws',
      model: 'amazon.nova-pro-v1:0',
      region: 'eu-west-1',
    },
    endpoint: { adapter: 'sagemaker', endpoint: 'my-endpoint', model: 'my-endpoint', region: 'us-east-1' },
  })
})

test('models have their weights, their fallbacks as priorities, and their other names', () => {
  const gpt = {
    targets: [{ deployment: 'gpt-4o', weight: 3 }, { deployment: 'gpt-4o-2' }, { deployment: 'claude', priority: 11 }],
    strategy: 'least_loaded',
  }
  expect(imported.config.models).toMatchObject({
    'gpt-4o': gpt,
    'gpt-4': gpt,
    local: { targets: [{ deployment: 'local' }] },
  })
  expect(Object.keys(imported.config.models)).toEqual(['gpt-4o', 'local', 'claude', 'nova', 'endpoint', 'gpt-4'])
})

test('no secret’s value is carried anywhere; what must be put where is told', () => {
  expect(JSON.stringify(imported)).not.toMatch(/sk-written|sk-master|pw@/)
  expect(imported.secrets).toEqual([
    { secret: 'UPSTREAM_AZURE_API_KEY_EU', from: 'environment variable AZURE_API_KEY_EU' },
    { secret: 'UPSTREAM_GPT_4O_2', from: 'api_key in the file' },
    { secret: 'UPSTREAM_LOCAL', from: 'api_key in the file' },
    { secret: 'UPSTREAM_GROQ_API_KEY', from: 'environment variable GROQ_API_KEY' },
  ])
})

test('every field that could not be carried over is named, with why', () => {
  expect(imported.notes.map(({ field }) => field)).toEqual([
    'model_list.0.litellm_params.api_version',
    'model_list.0.litellm_params.rpm',
    'model_list.1.litellm_params.api_key',
    'model_list.1.model_info.id',
    'model_list.2.litellm_params.api_key',
    'model_list.4.litellm_params.model',
    'model_list.5.litellm_params',
    'model_list.6.model_info.mode',
    'model_list.7.model_name',
    'model_list.8.litellm_params.api_base',
    'model_list.9.litellm_params.model',
    'router_settings.routing_strategy',
    'router_settings.num_retries',
    'litellm_settings.fallbacks.0',
    'litellm_settings.drop_params',
    'router_settings.model_group_alias.gone',
    'general_settings.master_key',
    'general_settings.database_url',
  ])
  for (const { why } of imported.notes) expect(why).not.toBe('')
})

test.each([
  [null],
  ['text'],
  [[]],
  [{ model_list: 'x', router_settings: 3 }],
  [{ model_list: [null, {}, { litellm_params: [] }] }],
])('what is no such file makes an empty configuration, and no error: %j', (document) => {
  expect(importLitellm(document).config).toEqual({ deployments: {}, models: {} })
})
