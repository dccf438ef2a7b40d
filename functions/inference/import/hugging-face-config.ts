/** config.json of a Hugging Face folder as the metadata of a GGUF file, whose bounds decoder-shape.ts then checks. */
import * as z from 'zod/mini'
import { ARCHITECTURES } from './architectures.ts'
import { GgufError } from './gguf-cursor.ts'
import type { GgufValue } from './gguf-file.ts'

const number = z.number()
/** What decoder-shape.ts allows is less; this keeps arithmetic here from running away. */
const size = z.int().check(z.positive(), z.maximum(1_048_576))
const optional = <T extends z.ZodMiniType>(schema: T) => z.optional(z.nullable(schema))

const ropeSchema = z.looseObject({
  rope_type: optional(z.string()),
  /** The name of rope_type before transformers 4.43. */
  type: optional(z.string()),
  rope_theta: optional(number),
  factor: optional(number),
  low_freq_factor: optional(number),
  high_freq_factor: optional(number),
  original_max_position_embeddings: optional(number),
})

/** Names and defaults are those of transformers' LlamaConfig, Qwen2Config and Qwen3Config. */
const configSchema = z.looseObject({
  model_type: z.string(),
  vocab_size: z.int().check(z.positive(), z.maximum(4_194_304)),
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: optional(size),
  head_dim: optional(size),
  max_position_embeddings: size,
  rms_norm_eps: optional(number),
  rope_theta: optional(number),
  rope_scaling: optional(ropeSchema),
  /** Of transformers 5, in place of the two above. */
  rope_parameters: optional(ropeSchema),
  partial_rotary_factor: optional(number),
  tie_word_embeddings: optional(z.boolean()),
  hidden_act: optional(z.string()),
  attention_bias: optional(z.boolean()),
  use_sliding_window: optional(z.boolean()),
  quantization_config: optional(z.unknown()),
})

export type HuggingFaceConfig = {
  architecture: keyof typeof ARCHITECTURES
  vocabSize: number
  heads: number
  kvHeads: number
  headDim: number
  tiedEmbeddings: boolean
  /** By how much each frequency is divided (Llama 3's scaling); null for other models. */
  ropeFactors: Float32Array | null
  metadata: Map<string, GgufValue>
}

/** @throws GgufError for another kind of model, a quantised checkpoint, and variants whose graph would differ */
export function readHuggingFaceConfig(json: unknown): HuggingFaceConfig {
  const parsed = configSchema.safeParse(json)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new GgufError(`its config.json: ${issue?.path.join('.')}: ${issue?.message}`)
  }
  const config = parsed.data
  const architecture = (Object.keys(ARCHITECTURES) as (keyof typeof ARCHITECTURES)[]).find(
    (name) => name === config.model_type,
  )
  if (!architecture) {
    const known = Object.keys(ARCHITECTURES).join(', ')
    throw new GgufError(`its model_type is ${config.model_type}, and those that can be exported are ${known}`)
  }
  refuseVariants(config, architecture)
  const heads = config.num_attention_heads
  const kvHeads = config.num_key_value_heads ?? heads
  // Qwen3Config alone has a default of its own.
  const headDim = config.head_dim ?? (architecture === 'qwen3' ? 128 : Math.floor(config.hidden_size / heads))
  const rope = { ...config.rope_scaling, ...config.rope_parameters }
  const theta = rope.rope_theta ?? config.rope_theta ?? 10_000
  const scaling = rope.rope_type ?? rope.type ?? 'default'
  if (!['default', 'linear', 'llama3'].includes(scaling)) {
    throw new GgufError(`its rope scaling is ${scaling}, and default, linear and llama3 are supported`)
  }
  const sizes: Record<string, GgufValue> = {
    embedding_length: config.hidden_size,
    block_count: config.num_hidden_layers,
    feed_forward_length: config.intermediate_size,
    'attention.head_count': heads,
    'attention.head_count_kv': kvHeads,
    'attention.key_length': headDim,
    'attention.value_length': headDim,
    'attention.layer_norm_rms_epsilon': config.rms_norm_eps ?? 1e-6,
    context_length: config.max_position_embeddings,
    'rope.dimension_count': headDim,
    'rope.freq_base': theta,
    ...(scaling === 'linear' ? { 'rope.scaling.type': 'linear', 'rope.scaling.factor': wanted(rope, 'factor') } : {}),
  }
  const metadata = new Map<string, GgufValue>([['general.architecture', architecture]])
  for (const [name, value] of Object.entries(sizes)) metadata.set(`${architecture}.${name}`, value)
  // What decoder-shape.ts counts; their texts are in tokenizer.json.
  metadata.set('tokenizer.ggml.tokens', new Array<string>(config.vocab_size).fill(''))
  return {
    architecture,
    vocabSize: config.vocab_size,
    heads,
    kvHeads,
    headDim,
    tiedEmbeddings: config.tie_word_embeddings ?? false,
    ropeFactors: scaling === 'llama3' ? llama3Factors(rope, theta, headDim) : null,
    metadata,
  }
}

type Config = z.infer<typeof configSchema>

/** What config.json may say that the graph does not do; an unused tensor would be noticed later, these are not seen in the tensors. */
function refuseVariants(config: Config, architecture: string): void {
  if (config.quantization_config != null) {
    throw new GgufError('its weights are quantised already (quantization_config), and F32, F16 and BF16 are read')
  }
  if ((config.hidden_act ?? 'silu') !== 'silu')
    throw new GgufError(`its hidden_act is ${config.hidden_act}, and silu is supported`)
  if ((config.partial_rotary_factor ?? 1) !== 1)
    throw new GgufError('it rotates a part of each head, which is not supported')
  if (config.use_sliding_window === true) throw new GgufError('it attends to a sliding window, which is not supported')
  if (architecture !== 'qwen2' && config.attention_bias === true)
    throw new GgufError(`it has biases in its attention, which is not supported for ${architecture}`)
}

type Rope = z.infer<typeof ropeSchema>

function wanted(
  rope: Rope,
  name: 'factor' | 'low_freq_factor' | 'high_freq_factor' | 'original_max_position_embeddings',
) {
  const value = rope[name]
  if (value == null || !Number.isFinite(value) || value <= 0)
    throw new GgufError(`its config.json: rope scaling: ${name} is no positive number`)
  return value
}

/**
 * Long waves are slowed by `factor`, short ones left alone, those between mixed: _compute_llama3_parameters of transformers'
 * modeling_rope_utils.py, as the divisors that llama.cpp's converter writes into rope_freqs.weight.
 */
function llama3Factors(rope: Rope, theta: number, headDim: number): Float32Array {
  const factor = wanted(rope, 'factor')
  const low = wanted(rope, 'low_freq_factor')
  const high = wanted(rope, 'high_freq_factor')
  const trained = wanted(rope, 'original_max_position_embeddings')
  return Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const waves = trained / (2 * Math.PI * theta ** ((2 * i) / headDim))
    if (waves > high) return 1
    if (waves < low) return factor
    const smooth = (waves - low) / (high - low)
    return 1 / ((1 - smooth) / factor + smooth)
  })
}
