/** A model of LiteLLM's list as one of our deployments. */
import type { PresetName } from '../../src/contract/provider-presets.ts'
import { type Fields, type Note, numberOf, placed, placedAt, secretName, textOf } from './imported.ts'

/** What stands before the slash of `litellm_params.model`. */
const PROVIDERS: Readonly<Record<string, PresetName>> = {
  openai: 'openai',
  azure: 'azure-openai',
  anthropic: 'anthropic',
  gemini: 'gemini',
  mistral: 'mistral',
  groq: 'groq',
  together_ai: 'together',
  fireworks_ai: 'fireworks',
  deepseek: 'deepseek',
  dashscope: 'qwen',
  moonshot: 'moonshot',
  zai: 'zhipu',
  openrouter: 'openrouter',
  xai: 'xai',
  cerebras: 'cerebras',
  cloudflare: 'workers-ai',
  bedrock: 'bedrock',
  vertex_ai: 'vertex',
  huggingface: 'huggingface',
  ollama: 'ollama',
  ollama_chat: 'ollama',
  hosted_vllm: 'vllm',
  lm_studio: 'lm-studio',
  litellm_proxy: 'litellm',
}
const SAGEMAKER: ReadonlySet<string> = new Set(['sagemaker', 'sagemaker_chat'])

/** Undefined where there is none to be made; then a note says why. */
export function deploymentOf(
  named: string,
  id: string,
  params: Fields,
  secrets: Map<string, string>,
  note: Note,
): Fields | undefined {
  const slash = named.indexOf('/')
  const provider = slash > 0 ? named.slice(0, slash) : ''
  const base = textOf(params.api_base) ?? textOf(params.base_url)
  const rest = slash > 0 ? named.slice(slash + 1) : named
  const common = { ...secretOf(id, params, secrets, note), ...limitsOf(params, note) }
  const region = textOf(params.aws_region_name)
  if (SAGEMAKER.has(provider)) {
    note('litellm_params', 'of AWS’s credentials a secret holds the access key (docs/routing.md, adapter sagemaker)')
    return { adapter: 'sagemaker', endpoint: rest, model: rest, region, ...common }
  }
  const preset = Object.hasOwn(PROVIDERS, provider)
    ? PROVIDERS[provider]
    : /^claude/.test(named)
      ? 'anthropic'
      : provider === ''
        ? 'openai'
        : undefined
  if (preset === undefined) {
    if (base !== undefined) return { ...placedAt(base), model: rest, ...common }
    note('litellm_params.model', `provider ${provider} is not known here, and there is no api_base`)
    return undefined
  }
  // `openai/` with an address is LiteLLM's way to name any server that speaks the protocol.
  if (preset === 'openai' && base !== undefined) return { ...placedAt(base), model: rest, ...common }
  const { place, why } = placed(preset, base ?? addressOf(preset, params))
  if (why !== undefined) {
    note('litellm_params.api_base', why)
    return undefined
  }
  if (preset === 'bedrock')
    note(
      'litellm_params.model',
      "asked by OpenAI's protocol with a Bedrock API key, not by AWS's own; its names of models may differ",
    )
  return {
    ...place,
    model: rest.replace(/^(converse|invoke)\//, ''),
    ...(region === undefined ? {} : { region }),
    ...common,
  }
}

/** Where it says itself what its account's address is made of. */
function addressOf(preset: PresetName, params: Fields): string | undefined {
  const region = textOf(params.aws_region_name)
  if (preset === 'bedrock' && region !== undefined) return `https://bedrock-mantle.${region}.api.aws`
  const project = textOf(params.vertex_project)
  const location = textOf(params.vertex_location)
  if (preset !== 'vertex' || project === undefined || location === undefined) return undefined
  return `https://${location}-aiplatform.googleapis.com/v1/projects/${project}/locations/${location}/endpoints/openapi`
}

/** A key in the file itself is not copied: a routing document holds none. Each has a secret of its own, so that none goes to another's endpoint. */
function secretOf(id: string, params: Fields, secrets: Map<string, string>, note: Note): Fields {
  const key = textOf(params.api_key)
  if (key === undefined) return {}
  const variable = /^os\.environ\/(\w+)$/.exec(key)?.[1]
  const secret = secretName(variable ?? id)
  secrets.set(secret, variable === undefined ? 'api_key in the file' : `environment variable ${variable}`)
  if (variable === undefined) note('litellm_params.api_key', `a key is not copied: put it into the secret ${secret}`)
  return { secret }
}

function limitsOf(params: Fields, note: Note): Fields {
  const limits: Record<string, unknown> = {}
  const total = milliseconds(params.timeout, 3_600_000)
  const first = milliseconds(params.stream_timeout, 600_000)
  if (total || first) limits.timeouts_ms = { ...(total ? { total } : {}), ...(first ? { first_token: first } : {}) }
  if (params.timeout !== undefined && !total) note('litellm_params.timeout', 'out of bounds: 0.05 to 3600 s')
  if (params.stream_timeout !== undefined && !first)
    note('litellm_params.stream_timeout', 'out of bounds: 0.05 to 600 s')
  const inFlight = numberOf(params.max_parallel_requests)
  if (inFlight !== undefined && inFlight >= 1) limits.in_flight_max = Math.trunc(inFlight)
  const input = numberOf(params.input_cost_per_token)
  const output = numberOf(params.output_cost_per_token)
  if (input !== undefined && output !== undefined)
    limits.price = { input: microsOfMillion(input), output: microsOfMillion(output) }
  const organization = textOf(params.organization)
  if (organization !== undefined) limits.headers = { 'openai-organization': organization }
  return limits
}

/** Currency a token to micro-units a million tokens. */
function microsOfMillion(perToken: number): number {
  return Math.round(perToken * 1e12)
}

function milliseconds(seconds: unknown, most: number): number | undefined {
  const ms = Math.round((numberOf(seconds) ?? 0) * 1_000)
  return ms >= 50 && ms <= most ? ms : undefined
}
