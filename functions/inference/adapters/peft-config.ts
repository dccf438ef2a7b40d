/**
 * adapter_config.json as PEFT writes it. PEFT has dozens of switches that change what an adapter computes, and new ones with every version:
 * one that is on and not understood is refused by name, since its answers would be quietly wrong.
 */
import * as z from 'zod/mini'
import { AdapterError } from './adapter-error.ts'

export type PeftConfig = {
  rank: number
  /** What B A is multiplied by. */
  scale: number
  /** As the trainer named it, for a warning; null if it did not. */
  baseModel: string | null
}

/** vLLM's largest; beyond it a full finetune is smaller. */
export const RANK_MAX = 512

const schema = z.looseObject({
  peft_type: z.literal('LORA'),
  r: z
    .int(`must be a whole number from 1 to ${RANK_MAX}`)
    .check(
      z.minimum(1, 'must be at least 1'),
      z.maximum(RANK_MAX, `the rank is more than ${RANK_MAX}, the most that is supported`),
    ),
  lora_alpha: z.number().check(z.minimum(-1e6), z.maximum(1e6)),
  use_rslora: z.nullish(z.boolean()),
  task_type: z.nullish(z.literal('CAUSAL_LM')),
  base_model_name_or_path: z.nullish(z.string()),
})

/** Of training, of bookkeeping, or told by the tensors themselves: the answer does not depend on them. */
const IGNORED = new Set([
  ...[
    'auto_mapping',
    'peft_version',
    'revision',
    'inference_mode',
    'lora_dropout',
    'init_lora_weights',
    'qalora_group_size',
  ],
  ...[
    'loftq_config',
    'eva_config',
    'corda_config',
    'lora_ga_config',
    'megatron_config',
    'megatron_core',
    'runtime_config',
  ],
  ...['target_modules', 'exclude_modules', 'layers_to_transform', 'layers_pattern', 'ensure_weight_tying'],
])

/** @throws AdapterError naming the first field that is wrong or not supported */
export function parsePeftConfig(text: string): PeftConfig {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new AdapterError('its configuration is not valid JSON')
  }
  const parsed = schema.safeParse(json)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new AdapterError(`${issue?.path.join('.') || 'its configuration'}: ${issue?.message}`)
  }
  const { data } = parsed
  for (const [name, value] of Object.entries(data)) {
    if (Object.hasOwn(schema.shape, name) || IGNORED.has(name) || isOff(value)) continue
    throw new AdapterError(`it uses ${name}: ${JSON.stringify(value).slice(0, 80)}, which is not supported`)
  }
  const { r: rank, lora_alpha: alpha } = data
  return {
    rank,
    scale: alpha / (data.use_rslora === true ? Math.sqrt(rank) : rank),
    baseModel: data.base_model_name_or_path ?? null,
  }
}

/** As PEFT writes a switch that nobody touched. */
function isOff(value: unknown): boolean {
  if (value === null || value === false || value === 'none') return true
  return typeof value === 'object' && Object.keys(value).length === 0
}
