/** The tiny random models of synthetic-gguf.ts as Hugging Face folders: the same values under Hugging Face's names, rows as they are. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeSafetensors } from '../adapters/synthetic-adapter.ts'
import { type SyntheticModel, syntheticVocabulary } from './synthetic-gguf.ts'

export type Dtype = 'F32' | 'F16' | 'BF16'

export type FolderChanges = {
  /** Fields of config.json; undefined leaves one out. */
  config?: Record<string, unknown>
  dtype?: Dtype
  /** Files to write into, the tensors spread over them; one if not given. */
  shards?: number
  /** Other contents by file name; null leaves the file out. */
  files?: Record<string, string | Buffer | null>
}

const NAMES: [RegExp, string][] = [
  [/^token_embd\./, 'model.embed_tokens.'],
  [/^output_norm\./, 'model.norm.'],
  [/^output\./, 'lm_head.'],
  [/^blk\.(\d+)\.attn_([qk])_norm\./, 'model.layers.$1.self_attn.$2_norm.'],
  [/^blk\.(\d+)\.attn_norm\./, 'model.layers.$1.input_layernorm.'],
  [/^blk\.(\d+)\.ffn_norm\./, 'model.layers.$1.post_attention_layernorm.'],
  [/^blk\.(\d+)\.attn_output\./, 'model.layers.$1.self_attn.o_proj.'],
  [/^blk\.(\d+)\.attn_([qkv])\./, 'model.layers.$1.self_attn.$2_proj.'],
  [/^blk\.(\d+)\.ffn_(gate|up|down)\./, 'model.layers.$1.mlp.$2_proj.'],
]

export function huggingFaceName(name: string): string {
  for (const [pattern, to] of NAMES) if (pattern.test(name)) return name.replace(pattern, to)
  throw new Error(`no name for ${name}`)
}

export function syntheticConfig(model: SyntheticModel): Record<string, unknown> {
  const { shape, architecture, values } = model
  return {
    model_type: architecture,
    vocab_size: (values.get('token_embd.weight')?.length ?? 0) / shape.hiddenSize,
    hidden_size: shape.hiddenSize,
    intermediate_size: shape.feedForwardSize,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    ...(shape.headDim * shape.heads === shape.hiddenSize ? {} : { head_dim: shape.headDim }),
    max_position_embeddings: shape.contextLength,
    rms_norm_eps: shape.normEpsilon,
    rope_theta: shape.ropeTheta,
    tie_word_embeddings: !values.has('output.weight'),
    hidden_act: 'silu',
    bos_token_id: 1,
    eos_token_id: 2,
  }
}

export async function writeHuggingFace(folder: string, model: SyntheticModel, changes: FolderChanges = {}) {
  await mkdir(folder, { recursive: true })
  const { hiddenSize, feedForwardSize, heads, headDim } = model.shape
  const columnsOf = (name: string) =>
    name.includes('attn_output') ? heads * headDim : name.includes('ffn_down') ? feedForwardSize : hiddenSize
  const tensors = [...model.values].map(([name, values]): [string, { shape: number[]; values: number[] }] => {
    const isVector = /norm\.weight$|\.bias$/.test(name)
    const shape = isVector ? [values.length] : [values.length / columnsOf(name), columnsOf(name)]
    return [huggingFaceName(name), { shape, values: [...values] }]
  })
  const files: Record<string, string | Buffer | null> = {
    'config.json': JSON.stringify({ ...syntheticConfig(model), ...changes.config }),
    'generation_config.json': JSON.stringify({ eos_token_id: [2, 0] }),
    'tokenizer_config.json': JSON.stringify({ chat_template: 'a template', eos_token: { content: '<|im_end|>' } }),
    'tokenizer.json': JSON.stringify(tokenizerFile()),
    ...weightFiles(tensors, changes),
    ...changes.files,
  }
  for (const [name, content] of Object.entries(files)) {
    if (content !== null) await writeFile(join(folder, name), content)
  }
  return folder
}

type Tensors = [string, { shape: number[]; values: number[] }][]

function weightFiles(tensors: Tensors, { shards = 1, dtype = 'F32' }: FolderChanges): Record<string, string | Buffer> {
  if (shards === 1) return { 'model.safetensors': encodeSafetensors(Object.fromEntries(tensors), dtype) }
  const fileOf = (index: number) => `model-${index + 1}.safetensors`
  const files: Record<string, string | Buffer> = {}
  for (let shard = 0; shard < shards; shard++) {
    const mine = tensors.filter((_, index) => index % shards === shard)
    files[fileOf(shard)] = encodeSafetensors(Object.fromEntries(mine), dtype)
  }
  const map = Object.fromEntries(tensors.map(([name], index) => [name, fileOf(index % shards)]))
  return { ...files, 'model.safetensors.index.json': JSON.stringify({ weight_map: map }) }
}

/** Special tokens are not in the vocabulary but added to it, as Qwen's are. */
function tokenizerFile() {
  const { tokens, merges } = syntheticVocabulary()
  const special = (content: string) => content.startsWith('<|') && content.endsWith('|>')
  const ids = tokens.map((token, id): [string, number] => [token, id])
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
  return {
    version: '1.0',
    added_tokens: ids.filter(([token]) => special(token)).map(([content, id]) => ({ id, content, ...flags })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: { type: 'ByteLevel', trim_offsets: false },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', vocab: Object.fromEntries(ids.filter(([token]) => !special(token))), merges },
  }
}
