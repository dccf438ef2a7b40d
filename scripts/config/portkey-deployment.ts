/** A target of Portkey's as one of our deployments. */
import type { PresetName } from '../../src/contract/provider-presets.ts'
import { type Fields, type Note, numberOf, placed, placedAt, secretName, textOf } from './imported.ts'

/** Portkey's slugs. */
const PROVIDERS: Readonly<Record<string, PresetName>> = {
  openai: 'openai',
  'azure-openai': 'azure-openai',
  anthropic: 'anthropic',
  google: 'gemini',
  'mistral-ai': 'mistral',
  groq: 'groq',
  'together-ai': 'together',
  'fireworks-ai': 'fireworks',
  deepseek: 'deepseek',
  dashscope: 'qwen',
  moonshot: 'moonshot',
  zhipu: 'zhipu',
  openrouter: 'openrouter',
  'x-ai': 'xai',
  cerebras: 'cerebras',
  'workers-ai': 'workers-ai',
  bedrock: 'bedrock',
  'vertex-ai': 'vertex',
  huggingface: 'huggingface',
  ollama: 'ollama',
}
const USED = [
  'provider',
  'api_key',
  'virtual_key',
  'custom_host',
  'request_timeout',
  'azure_resource_name',
  'azure_deployment_id',
] as const
const USED_TOO = [
  'workers_ai_account_id',
  'aws_region',
  'vertex_project_id',
  'vertex_region',
  'openai_organization',
] as const

export type MadeDeployment = { deployment: Fields; used: readonly string[] }

/** Undefined where there is none to be made; then a note says why. */
export function portkeyDeployment(
  target: Fields,
  params: Fields,
  id: string,
  secrets: Map<string, string>,
  note: Note,
): MadeDeployment | undefined {
  const slug = (textOf(target.provider) ?? '').replace(/^@/, '')
  const named = textOf(params.model) ?? textOf(target.azure_deployment_id)
  if (named === undefined) {
    note('override_params.model', 'it is missing: a deployment is one model')
    return undefined
  }
  // `@integration/model`: Portkey's newer way.
  const [, integration, plain] = /^@([^/]+)\/(.+)$/.exec(named) ?? []
  const provider = slug || integration || ''
  const model = plain ?? named
  const host = textOf(target.custom_host)
  const preset = PROVIDERS[provider] ?? PROVIDERS[provider.replace(/-(prod|dev|staging|test)$/, '')]
  const common = {
    model,
    ...secretOf(target, id, textOf(target.provider)?.startsWith('@') ? slug : integration, secrets, note),
    ...limitsOf(target, note),
  }
  const used = [...USED, ...USED_TOO]
  if (preset === undefined || (preset === 'openai' && host !== undefined)) {
    if (host !== undefined) return { deployment: { ...placedAt(host), ...common }, used }
    note(
      'provider',
      `${provider || 'none'} is not known here: an integration of Portkey's, whose provider is not in this file`,
    )
    return undefined
  }
  const { place, why } = placed(preset, host ?? addressOf(preset, target))
  if (why !== undefined) {
    note('provider', why)
    return undefined
  }
  return { deployment: { ...place, ...common }, used }
}

function addressOf(preset: PresetName, target: Fields): string | undefined {
  const resource = textOf(target.azure_resource_name)
  if (preset === 'azure-openai' && resource) return `https://${resource}.openai.azure.com`
  const account = textOf(target.workers_ai_account_id)
  if (preset === 'workers-ai' && account) return `https://api.cloudflare.com/client/v4/accounts/${account}/ai`
  const region = textOf(target.aws_region)
  if (preset === 'bedrock' && region) return `https://bedrock-mantle.${region}.api.aws`
  const project = textOf(target.vertex_project_id)
  const location = textOf(target.vertex_region)
  if (preset !== 'vertex' || !project || !location) return undefined
  return `https://${location}-aiplatform.googleapis.com/v1/projects/${project}/locations/${location}/endpoints/openapi`
}

/** A virtual key is a key that Portkey keeps; neither it nor a key in the file is copied. */
function secretOf(
  target: Fields,
  id: string,
  integration: string | undefined,
  secrets: Map<string, string>,
  note: Note,
): Fields {
  const virtual = textOf(target.virtual_key)
  const key = textOf(target.api_key)
  if (virtual === undefined && key === undefined) {
    if (!integration) return {}
    const secret = secretName(integration)
    secrets.set(secret, `the integration ${integration} at Portkey`)
    return { secret }
  }
  const secret = secretName(virtual ?? id)
  secrets.set(secret, virtual === undefined ? 'api_key in the file' : `the virtual key ${virtual} at Portkey`)
  if (virtual === undefined) note('api_key', `a key is not copied: put it into the secret ${secret}`)
  return { secret }
}

function limitsOf(target: Fields, note: Note): Fields {
  const organization = textOf(target.openai_organization)
  const headers = organization === undefined ? {} : { headers: { 'openai-organization': organization } }
  const total = numberOf(target.request_timeout)
  if (total === undefined) return headers
  if (total < 50 || total > 3_600_000) {
    note('request_timeout', 'out of bounds: 50 to 3600000 ms')
    return headers
  }
  return { ...headers, timeouts_ms: { total: Math.trunc(total) } }
}
