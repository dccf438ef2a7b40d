/**
 * Providers and servers whose way of speaking OpenAI's protocol is known: what a deployment needs not say when it names one by `preset`.
 * From each provider's documentation; docs/providers.md has the sources, and what they leave open. Part of what every isolate loads: no schema here.
 */

/** How a key is sent. */
export const AUTH_KINDS = ['bearer', 'api-key', 'x-api-key'] as const
export type AuthKind = (typeof AUTH_KINDS)[number]

/** What a body loses, or how it is said differently, on its way to an endpoint. src/upstream/quirks.ts does it. */
export const QUIRKS = [
  'no_message_extras',
  'no_message_names',
  'no_thinking',
  'no_sampling_extras',
  'no_seed',
  'random_seed',
  'no_user',
  'no_penalties',
  'no_parallel_tool_calls',
  'no_stream_options',
  'max_tokens',
  'max_completion_tokens',
  'developer_as_system',
] as const
export type Quirk = (typeof QUIRKS)[number]

export type Preset = {
  adapter: 'openai' | 'anthropic' | 'inference'
  /** Before `path`. Where it has `{names}`, every account has an address of its own, which the deployment says. */
  url: string
  /** Between the URL and `/chat/completions`. */
  path: string
  auth: AuthKind
  quirks: readonly Quirk[]
  capabilities: readonly ('tools' | 'json_schema' | 'vision' | 'audio' | 'logprobs' | 'n')[]
  /** The environment variable in which people usually have its key; undefined where there usually is none. */
  keyEnv: string | undefined
  /** Whether it was run against the real service, not only against its documented shape. */
  tried: boolean
}

/** For endpoints that refuse what OpenAI's documentation does not have. */
const STRICT = ['no_message_extras', 'no_thinking', 'no_sampling_extras'] as const
/** For those that know OpenAI's older names only. */
const OLDER = ['max_tokens', 'developer_as_system'] as const

const OPENAI_LIKE = { adapter: 'openai', path: '/v1', auth: 'bearer', tried: false } as const

const ROWS = {
  perigee: {
    ...OPENAI_LIKE,
    adapter: 'inference',
    url: 'http://127.0.0.1:8080',
    quirks: [],
    capabilities: ['tools', 'json_schema', 'logprobs', 'n'],
    keyEnv: 'PERIGEE_INFERENCE_KEY',
    tried: true,
  },
  openai: {
    ...OPENAI_LIKE,
    url: 'https://api.openai.com',
    quirks: [...STRICT, 'max_completion_tokens'],
    capabilities: ['tools', 'json_schema', 'vision', 'audio', 'logprobs', 'n'],
    keyEnv: 'OPENAI_API_KEY',
  },
  'azure-openai': {
    ...OPENAI_LIKE,
    url: 'https://{resource}.openai.azure.com',
    path: '/openai/v1',
    auth: 'api-key',
    quirks: [...STRICT, 'max_completion_tokens'],
    capabilities: ['tools', 'json_schema', 'vision', 'audio', 'logprobs', 'n'],
    keyEnv: 'AZURE_OPENAI_API_KEY',
  },
  anthropic: {
    ...OPENAI_LIKE,
    adapter: 'anthropic',
    url: 'https://api.anthropic.com',
    auth: 'x-api-key',
    quirks: [],
    capabilities: ['tools', 'vision'],
    keyEnv: 'ANTHROPIC_API_KEY',
  },
  gemini: {
    ...OPENAI_LIKE,
    url: 'https://generativelanguage.googleapis.com',
    path: '/v1beta/openai',
    quirks: [...STRICT, 'no_seed', 'no_penalties', 'no_user'],
    capabilities: ['tools', 'json_schema', 'vision', 'audio', 'n'],
    keyEnv: 'GEMINI_API_KEY',
  },
  mistral: {
    ...OPENAI_LIKE,
    url: 'https://api.mistral.ai',
    quirks: [...STRICT, ...OLDER, 'random_seed', 'no_stream_options', 'no_user'],
    capabilities: ['tools', 'json_schema', 'vision', 'n'],
    keyEnv: 'MISTRAL_API_KEY',
  },
  groq: {
    ...OPENAI_LIKE,
    url: 'https://api.groq.com',
    path: '/openai/v1',
    quirks: [...STRICT, 'no_message_names'],
    capabilities: ['tools', 'json_schema', 'vision'],
    keyEnv: 'GROQ_API_KEY',
  },
  together: {
    ...OPENAI_LIKE,
    url: 'https://api.together.xyz',
    quirks: ['no_message_extras', 'no_thinking', ...OLDER],
    capabilities: ['tools', 'json_schema', 'vision', 'n'],
    keyEnv: 'TOGETHER_API_KEY',
  },
  fireworks: {
    ...OPENAI_LIKE,
    url: 'https://api.fireworks.ai',
    path: '/inference/v1',
    quirks: ['no_message_extras', 'no_thinking', ...OLDER],
    capabilities: ['tools', 'json_schema', 'vision', 'n'],
    keyEnv: 'FIREWORKS_API_KEY',
  },
  deepseek: {
    ...OPENAI_LIKE,
    url: 'https://api.deepseek.com',
    quirks: ['no_message_extras', 'no_sampling_extras', ...OLDER],
    capabilities: ['tools', 'logprobs'],
    keyEnv: 'DEEPSEEK_API_KEY',
  },
  qwen: {
    ...OPENAI_LIKE,
    url: 'https://dashscope-intl.aliyuncs.com',
    path: '/compatible-mode/v1',
    quirks: ['no_message_extras', 'no_thinking', ...OLDER],
    capabilities: ['tools', 'vision'],
    keyEnv: 'DASHSCOPE_API_KEY',
  },
  moonshot: {
    ...OPENAI_LIKE,
    url: 'https://api.moonshot.ai',
    quirks: ['no_message_extras', 'no_sampling_extras', ...OLDER],
    capabilities: ['tools', 'vision'],
    keyEnv: 'MOONSHOT_API_KEY',
  },
  zhipu: {
    ...OPENAI_LIKE,
    url: 'https://open.bigmodel.cn',
    path: '/api/paas/v4',
    quirks: ['no_message_extras', 'no_sampling_extras', ...OLDER],
    capabilities: ['tools', 'vision'],
    keyEnv: 'ZHIPUAI_API_KEY',
  },
  openrouter: {
    ...OPENAI_LIKE,
    url: 'https://openrouter.ai',
    path: '/api/v1',
    quirks: [],
    capabilities: ['tools', 'json_schema', 'vision', 'audio', 'logprobs'],
    keyEnv: 'OPENROUTER_API_KEY',
  },
  xai: {
    ...OPENAI_LIKE,
    url: 'https://api.x.ai',
    quirks: STRICT,
    capabilities: ['tools', 'json_schema', 'vision', 'logprobs', 'n'],
    keyEnv: 'XAI_API_KEY',
  },
  cerebras: {
    ...OPENAI_LIKE,
    url: 'https://api.cerebras.ai',
    quirks: [...STRICT, 'no_penalties', 'no_parallel_tool_calls', 'max_completion_tokens'],
    capabilities: ['tools', 'json_schema', 'logprobs'],
    keyEnv: 'CEREBRAS_API_KEY',
  },
  'workers-ai': {
    ...OPENAI_LIKE,
    url: 'https://api.cloudflare.com/client/v4/accounts/{account_id}/ai',
    quirks: ['no_message_extras', 'no_thinking', ...OLDER],
    capabilities: ['tools', 'json_schema', 'vision'],
    keyEnv: 'CLOUDFLARE_API_TOKEN',
  },
  bedrock: {
    ...OPENAI_LIKE,
    url: 'https://bedrock-mantle.{region}.api.aws',
    quirks: STRICT,
    capabilities: ['tools', 'json_schema'],
    keyEnv: 'AWS_BEARER_TOKEN_BEDROCK',
  },
  vertex: {
    ...OPENAI_LIKE,
    url: 'https://{location}-aiplatform.googleapis.com/v1/projects/{project}/locations/{location}/endpoints/openapi',
    path: '',
    quirks: [...STRICT, 'no_user'],
    capabilities: ['tools', 'json_schema', 'vision', 'audio', 'n'],
    keyEnv: 'VERTEX_ACCESS_TOKEN',
  },
  huggingface: {
    ...OPENAI_LIKE,
    url: 'https://router.huggingface.co',
    quirks: ['no_message_extras', 'no_thinking', ...OLDER],
    capabilities: ['tools', 'json_schema', 'vision'],
    keyEnv: 'HF_TOKEN',
  },
  ollama: {
    ...OPENAI_LIKE,
    url: 'http://127.0.0.1:11434',
    quirks: ['no_message_extras', ...OLDER],
    capabilities: ['tools', 'json_schema', 'vision'],
    keyEnv: undefined,
  },
  vllm: {
    ...OPENAI_LIKE,
    url: 'http://127.0.0.1:8000',
    quirks: ['no_message_extras', 'no_thinking'],
    capabilities: ['tools', 'json_schema', 'vision', 'logprobs', 'n'],
    keyEnv: 'VLLM_API_KEY',
  },
  sglang: {
    ...OPENAI_LIKE,
    url: 'http://127.0.0.1:30000',
    quirks: ['no_message_extras', 'no_thinking'],
    capabilities: ['tools', 'json_schema', 'vision', 'logprobs', 'n'],
    keyEnv: undefined,
  },
  'llama-cpp': {
    ...OPENAI_LIKE,
    url: 'http://127.0.0.1:8080',
    quirks: ['no_message_extras', 'no_thinking', 'developer_as_system'],
    capabilities: ['tools', 'json_schema', 'vision', 'logprobs'],
    keyEnv: 'LLAMA_API_KEY',
  },
  'lm-studio': {
    ...OPENAI_LIKE,
    url: 'http://127.0.0.1:1234',
    quirks: ['no_message_extras', 'no_thinking', ...OLDER],
    capabilities: ['tools', 'json_schema', 'vision'],
    keyEnv: undefined,
  },
  litellm: {
    ...OPENAI_LIKE,
    url: 'http://127.0.0.1:4000',
    quirks: [],
    capabilities: ['tools', 'json_schema', 'vision', 'audio', 'logprobs', 'n'],
    keyEnv: 'LITELLM_API_KEY',
  },
} as const satisfies Record<string, Preset>

export type PresetName = keyof typeof ROWS
export const PRESETS: Readonly<Record<PresetName, Preset>> = ROWS
// Sound: the keys of the table above.
export const PRESET_NAMES = Object.keys(ROWS) as [PresetName, ...PresetName[]]
