/** The architectures that can be imported, and all that tells their graphs apart (decoder-graph.ts). */
import type { ModelConfig } from '../models/model-config.ts'

export type Architecture = {
  /**
   * Which elements of a head are rotated in pairs: neighbours (2i and 2i + 1), or the halves' (i and i + headDim / 2). Both are the same rotation:
   * llama.cpp permutes the rows of q and k of a llama when it writes the file, and leaves the others as they were trained.
   */
  rotatedPairs: 'neighbours' | 'halves'
  /** q, k and v have a bias added: attn_q.bias and so on. */
  hasAttentionBias: boolean
  /** Each head of q and k is normalised before it is rotated: attn_q_norm.weight and attn_k_norm.weight, of headDim elements. */
  hasHeadNorms: boolean
}

/** By general.architecture of the file, which is also the prefix of its keys. */
export const ARCHITECTURES: Record<ModelConfig['architecture'], Architecture> = {
  llama: { rotatedPairs: 'neighbours', hasAttentionBias: false, hasHeadNorms: false },
  qwen2: { rotatedPairs: 'halves', hasAttentionBias: true, hasHeadNorms: false },
  qwen3: { rotatedPairs: 'halves', hasAttentionBias: false, hasHeadNorms: true },
}
